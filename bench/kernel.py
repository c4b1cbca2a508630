"""What a service costs in a ZOO kernel, in the kernel's double: `python bench/kernel.py`.

Import of the generated service, call of its function to the start of the engine (beyond the engine's own part), and
the memory of a job that waits, 20 of them at once. The engine is the fake one: only what is around it is measured.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from zoo_runner.testing import KernelDouble, SubmittedJob  # noqa: E402

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
SITE_PACKAGES = [path for path in sys.path if path.endswith("site-packages")]
RUNS, JOBS = 7, 20
DOUBLES = {"fake": "zoo_runner.engines.fake:FakeEngine", "fake-waiting": "zoo_runner.engines.fake:WaitingEngine"}
LIMITS = {"import_seconds": 0.25, "call_to_engine_seconds": 0.3, "waiting_rss_mib": 80.0}


def make_kernel(root: Path, **environ: str) -> KernelDouble:
    kernel = KernelDouble(
        root, environ={"ZOO_RUNNER_ENGINE": "fake", **environ}, python_path=SITE_PACKAGES, engines=DOUBLES
    )
    kernel.deploy("alice", ECHO, "echo")
    return kernel


def submit(kernel: KernelDouble) -> SubmittedJob:
    return kernel.submit("alice", "echo", {"inputs": {"message": "bench"}})


def find_start(job: SubmittedJob) -> float | None:
    """When the engine said that it starts."""
    return next((update["time"] for update in job.updates if update["message"] == "executing"), None)


def measure_times(root: Path) -> tuple[list[float], list[float], list[float]]:
    """Import, import by the processor's time (on a busy machine only that says something), call to engine."""
    kernel = make_kernel(root)
    imports, cpu, calls = [], [], []
    for _ in range(RUNS):
        job = submit(kernel).wait()
        times, start = job.findings["times"], find_start(job)
        assert job.succeeded, job.message
        assert start is not None
        imports.append(times["call"] - times["import"])
        cpu.append(times["import_cpu"])
        calls.append(start - times["call"])
    return imports, cpu, calls


def measure_memory(root: Path) -> list[float]:
    kernel = make_kernel(root, ZOO_RUNNER_ENGINE="fake-waiting")
    jobs = [submit(kernel) for _ in range(JOBS)]
    deadline, pause = time.monotonic() + 120, threading.Event()
    while not all(find_start(job) for job in jobs) and time.monotonic() < deadline:
        pause.wait(0.2)
    sizes = [read_rss_mib(job.process.pid) for job in jobs]
    for job in jobs:
        job.process.kill()
        job.process.wait()
    return sizes


def read_rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        imports, cpu, calls = measure_times(Path(folder) / "times")
        sizes = measure_memory(Path(folder) / "memory")
    found = {
        "import_seconds": statistics.median(imports),
        "call_to_engine_seconds": statistics.median(calls),
        "waiting_rss_mib": max(sizes),
    }
    for name, value in found.items():
        verdict = "ok" if value <= LIMITS[name] else "over"
        print(f"{name:<24} {value:8.3f}  limit {LIMITS[name]:g}  {verdict}")
    print(f"import by the processor's time: {statistics.median(cpu):.3f} s")
    print(f"imports {sorted(round(each, 3) for each in imports)}")
    print(f"calls {sorted(round(each, 3) for each in calls)}")
    print(f"{JOBS} waiting jobs, RSS in MiB: {min(sizes):.1f} to {max(sizes):.1f}")
    return int(any(value > LIMITS[name] for name, value in found.items()))


if __name__ == "__main__":
    sys.exit(main())
