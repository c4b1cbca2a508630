"""Process 1 of the job image: loads the program of the job pod, and runs it.

python -m zoo_runner.engines.calrissian.pod_main
"""

import os
import sys
from contextlib import redirect_stdout

from zoo_runner.engines.kubernetes.job_pod.lean import leave_out_tls, loading


def main() -> None:
    """Run, and exit without tearing the interpreter down, because nothing is left to save."""
    with loading():
        leave_out_tls()
        from zoo_runner.engines.calrissian.job_pod import run_pod
        from zoo_runner.engines.kubernetes.job_pod.pod import run_program
    output = sys.stdout
    with redirect_stdout(sys.stderr):
        code = run_program(run_pod, os.environ, output)  # noqa: TID251 the pod's one place
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
