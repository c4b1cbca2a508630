"""Starts the evaluation of a package in a container of its own: `evaluation` has the words.

Half of what cwltool imports hardly any step needs: it waits (`postponed`), as each pod of a step starts this twice.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from zoo_runner.engines.cwl_process.postponed import postpone


def start() -> int:
    """Do what the command line says; return the exit code."""
    postpone()
    from zoo_runner.engines.argo.native.evaluation import main

    return main(Path(sys.argv[1]), *sys.argv[2:])


if __name__ == "__main__":
    _code = start()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # it ends at once: taking cwltool apart takes as long as a short step
    os._exit(_code)
