"""The shell scripts that run the program of a step in its own image, once or for several jobs; pure.

It ends with 0, because Argo starts no container after one that failed, and stops those beside it: the exit code is in
a file. What the program prints goes to a file on the volume, from which `collect` reports it line by line. The last of
it goes to the log of the container too, at the end: a runtime takes 14 s for 2,000,000 lines, which nothing waits for.
"""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from zoo_runner.engines.argo.native.slots import Slot

_SHOWN_BYTES = 1 << 20
IN_CONTAINER = "in-container"
"""The argument with which the script of a pod learns that it is alone in its container."""


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
    redirections = (("<", stdin), (">", stdout), ("2>", stderr))
    redirected = [f"{sign} {shlex.quote(place)}" for sign, place in redirections if place]
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
    places = {name: shlex.quote(str(path)) for name, path in files.items()}
    return "\n".join([*lines, _RUNNING.format(**places, shown=_SHOWN_BYTES)])


# Only what every shell has: an image may have nothing else. `exit` comes last, and whole: `collect` waits for it.
_RUNNING = """\
count() {{
  cd /sys/fs/cgroup && {{ read -r name cpu < cpu.stat || read -r cpu < cpuacct/cpuacct.usage; }} && echo "$cpu"
}}
before=$(count 2> /dev/null)
: > {began}
(run) > {log} 2>&1 < /dev/null
code=$?
(cd /sys/fs/cgroup && {{
  read -r peak < memory.peak || read -r peak < memory/memory.max_usage_in_bytes
  read -r name cpu < cpu.stat && unit=us || {{ read -r cpu < cpuacct/cpuacct.usage && unit=ns; }}
  echo "used: peak_bytes=$peak cpu_$unit=$((cpu - before))" > {used}
}}) 2> /dev/null
tail -c {shown} {log} 2> /dev/null || cat {log} 2> /dev/null
echo "$code." > {code}
exit 0
"""


def build_pod_script(slots: Iterable[Slot]) -> str:
    """Build the script of a pod: it runs its jobs one after the other, whatever their exit codes.

    Between two of them it removes what a program has left in its container: processes, and temporary files, which
    another may take for its own. In a container of its own alone: elsewhere these are those of others.
    """
    runs = [f"/bin/sh {shlex.quote(str(slot.script))}" for slot in slots]
    return "\n".join([_CLEANING, "\nclean\n".join(runs), "exit 0", ""])


# The processes of a container are those that a signal to all reaches, if Argo's executor is its first one. They are
# gone a moment later; one that hangs in the kernel is not waited for without end. An image without `rm` keeps files.
_CLEANING = f"""\
first=$PPID own=$1
clean() {{
  [ "$own" = {IN_CONTAINER} ] || return
  if [ "$first" = 1 ] && kill -9 -1; then
    rounds=0
    while [ $rounds -lt 100000 ] && kill -0 -1; do rounds=$((rounds + 1)); done
  fi
  for folder in /tmp /var/tmp /dev/shm; do
    (cd "$folder" && rm -rf -- * .[!.]* ..?*)
  done
}} > /dev/null 2>&1"""
