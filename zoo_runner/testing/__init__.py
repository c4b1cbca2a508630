"""A double of a ZOO kernel, for tests of services and handlers without a kernel.

    kernel = KernelDouble(tmp_path)
    kernel.deploy("alice", "water.cwl", "water")
    job = kernel.submit("alice", "water", {"inputs": {"item": "https://..."}}).wait()
    assert job.succeeded, job.message

Each job is a process of its own, started as a kernel starts it, with the known traps of a kernel. `job.violations`
lists what would crash a real kernel or damage a response.
"""

from zoo_runner.testing.kernel import KernelDouble, SubmittedJob
from zoo_runner.testing.requests import KernelCrash, MissingInput, RefusedPackage, build_kernel_inputs

__all__ = ["KernelCrash", "KernelDouble", "MissingInput", "RefusedPackage", "SubmittedJob", "build_kernel_inputs"]
