"""What a step's container reports at its end: its exit code and what it used, without a metrics server; pure.

The command of a step runs under a few lines of shell, which then read what the kernel counted for the container and
leave it as the container's termination message (Kubernetes documentation, "Determine the Reason for Pod Failure").
Kubelet looks for containers that have ended once a second; on the volume of the job, the same is there at once.
Sources: Linux, cgroup-v1/memory (`memory.max_usage_in_bytes`) and cpuacct (`cpuacct.usage`, nanoseconds); cgroup-v2
(`memory.peak`, since Linux 5.19, and `usage_usec` of `cpu.stat`).
"""

import re
from dataclasses import dataclass

from zoo_runner.engines.kubernetes.job_pod.printing import ENDED, KEEPING, PRINTED_MOUNT

# Only what every shell has: an image may have nothing else. The command comes as arguments, so that not a letter
# of it is read by this script; what cannot be read or written is left out, and the exit code is the command's.
_RUNNING = """\
/bin/sh -c "$@"
code=$?
"""
_REPORTING = """\
peak= cpu= unit= used=
cd /sys/fs/cgroup 2> /dev/null && {
  read -r peak < memory.peak || read -r peak < memory/memory.max_usage_in_bytes
  read -r name cpu < cpu.stat && unit=us || { read -r cpu < cpuacct/cpuacct.usage && unit=ns; }
  used="used: peak_bytes=$peak cpu_$unit=$cpu"
  echo "$used" > /dev/termination-log
} 2> /dev/null
"""
# What the tool has left behind in the container would end with it a moment later, and must write no more once the end
# is known: as the first process of the container (and of no machine), the shell ends all others before.
_ENDING = f"""\
exec 2> /dev/null
[ $$ != 1 ] || kill -9 -1
echo "exit $code $used" > {PRINTED_MOUNT}/{ENDED}
"""
_EXIT = re.compile(r"exit (\d{1,3}) (.*)\n")
_PEAK = re.compile(r"\bpeak_bytes=(\d{1,20})\b")
_CPU = re.compile(r"\bcpu_(us|ns)=(\d{1,20})\b")
_PER_SECOND = {"us": 1e6, "ns": 1e9}


@dataclass(frozen=True)
class Used:
    """CPU time (seconds) and peak memory (MiB, with the files that the kernel kept in memory); None: not known."""

    cpu_seconds: float | None = None
    peak_memory_mib: float | None = None


def build_reporting_args(args: list[str], *, keeps_printed: bool = False) -> list[str]:
    """Wrap what is given to `/bin/sh -c`, a script and its arguments, so that the container reports its end.

    `keeps_printed`: what it prints goes to the volume of the job (`printing`), and so does its exit code.
    """
    first, last = (KEEPING, _ENDING) if keeps_printed else (_RUNNING, "")
    return [f"{first}{_REPORTING}{last}exit $code\n", "step", *args]


def read_exit(written: str) -> tuple[int, str] | None:
    """Read what a container wrote at its end: exit code, and what it used; None for what is not whole."""
    found = _EXIT.fullmatch(written)
    return (int(found[1]), found[2]) if found else None


def parse_used(message: str) -> Used:
    """Read what a container reported; one that was killed reports nothing."""
    peak, cpu = _PEAK.search(message), _CPU.search(message)
    return Used(
        round(int(cpu[2]) / _PER_SECOND[cpu[1]], 3) if cpu else None,
        round(int(peak[1]) / 2**20, 1) if peak else None,
    )
