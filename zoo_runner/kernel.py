"""What every rendered service imports: this name is stable."""

from zoo_runner.zoo.service import KernelJob, run_service

__all__ = ["KernelJob", "run_service"]
