"""Runs one package with pycalrissian, as its documentation has it, and prints its seconds as the last line.

    <interpreter that has pycalrissian> bench/incumbent.py package.json namespace image storage-class

A program of its own: it runs in an environment that has nothing of this project. Timed from the first request to output
document, usage report and log in hand; the namespace is removed after that, not timed.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pycalrissian.context import CalrissianContext
from pycalrissian.execution import CalrissianExecution
from pycalrissian.job import CalrissianJob

CALRISSIAN = "/opt/calrissian/bin/calrissian"


class Job(CalrissianJob):  # type: ignore[misc]
    """The job with Calrissian where our job image has it: the same image and version on both sides."""

    @staticmethod
    def create_container(**given: Any) -> Any:
        return CalrissianJob.create_container(**{**given, "command": [CALRISSIAN]})


def run(package: str, namespace: str, storage_class: str) -> float:
    """Run to the end; raises where the job did not succeed."""
    begun = time.monotonic()
    context = CalrissianContext(namespace=namespace, storage_class=storage_class, volume_size="1Gi")
    context.initialise()
    try:
        job = Job(
            cwl=json.loads(Path(package).read_text()),
            params={},
            runtime_context=context,
            max_ram="8G",
            max_cores="4",
            tool_logs=True,
        )
        execution = CalrissianExecution(job=job, runtime_context=context)
        execution.submit()
        execution.monitor(interval=1)
        if not execution.is_succeeded():
            raise SystemExit(f"pycalrissian did not succeed: {execution.get_log()}")
        if not (execution.get_output() and execution.get_log() and execution.get_tool_logs()):
            raise SystemExit("pycalrissian gave no output, log or tool logs")
        return time.monotonic() - begun
    finally:
        context.dispose()


def main() -> None:
    package, namespace, os.environ["CALRISSIAN_IMAGE"], storage_class = sys.argv[1:]  # noqa: TID251 how it is configured
    package = str(Path(package).absolute())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # it copies its results to where it is
        print(run(package, namespace, storage_class))


if __name__ == "__main__":
    main()
