"""What every rendered service imports: the name stays, whatever becomes of the rooms behind it."""

from zoo_runner.zoo.service import KernelJob, run_service

__all__ = ["KernelJob", "run_service"]
