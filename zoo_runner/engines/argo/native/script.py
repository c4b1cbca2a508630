"""The shell script that runs the program of a step in its own image; pure.

It ends with 0, because Argo starts no container after one that failed, and stops those beside it: the exit code is in
a file. What the program prints goes to a file on the volume, from which `collect` reports it line by line, and at the
end to the log of the container too.
"""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from zoo_runner.engines.argo.native.slots import Slot


def build_tool_script(
    words: Iterable[str],
    variables: Mapping[str, str],
    slot: Slot,
    *,
    stdin: str | None = None,
    stdout: str | None = None,
    stderr: str | None = None,
) -> str:
    """Build the script of a job from the words of its command; redirected files are relative to its folder."""
    places = (("<", stdin), (">", stdout), ("2>", stderr))
    redirected = [f"{sign} {shlex.quote(place)}" for sign, place in places if place]
    folders = sorted({str(PurePosixPath(place).parent) for place in (stdout, stderr) if place} - {"."})
    lines = [
        *(f"export {shlex.quote(f'{name}={value}')}" for name, value in sorted(variables.items())),
        f"cd {shlex.quote(str(slot.out))}",
        *(f"mkdir -p -- {shlex.quote(folder)}" for folder in folders),
        "run() {",
        "  " + " ".join([shlex.join(words), *redirected]),
        "}",
    ]
    files = {"began": slot.began, "code": slot.exit_code, "log": slot.log, "used": slot.used}
    return "\n".join([*lines, _RUNNING.format(**{name: shlex.quote(str(path)) for name, path in files.items()})])


# Only what every shell has: an image may have nothing else. `exit` comes last, and whole: `collect` waits for it.
_RUNNING = """\
: > {began}
(run) > {log} 2>&1 < /dev/null
code=$?
(cd /sys/fs/cgroup && {{
  read -r peak < memory.peak || read -r peak < memory/memory.max_usage_in_bytes
  read -r name cpu < cpu.stat && unit=us || {{ read -r cpu < cpuacct/cpuacct.usage && unit=ns; }}
  echo "used: peak_bytes=$peak cpu_$unit=$cpu" > {used}
}}) 2> /dev/null
cat {log} 2> /dev/null
echo "$code." > {code}
exit 0
"""
