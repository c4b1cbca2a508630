"""The script of a pod of argo-native that runs several jobs, in the shells that images have; each shell as it is."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from zoo_runner.engines.argo.native.script import IN_CONTAINER, build_pod_script

# a container as far as it matters: processes and temporary files of its own, and a first process that stays
CONTAINER = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
FIRST = """
mount --bind "$0" /mnt && mount -t tmpfs none /tmp && mount -t tmpfs none /var/tmp && mount -t tmpfs none /dev/shm
%s /mnt/all.sh %s
cat /mnt/found
"""
LEAVING = "touch /tmp/left /tmp/.left /var/tmp/left /dev/shm/left; sleep 3000 & sleep 3000 &"
LOOKING = """
for one in /proc/[0-9]*/comm; do
  read -r name < $one || continue
  if [ "$name" = sleep ]; then echo "a process" >> /mnt/found; fi
done
ls -A /tmp /var/tmp /dev/shm | grep left >> /mnt/found
"""


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_what_a_job_leaves_in_its_container_is_gone_before_the_next_one(shell: str, tmp_path: Path) -> None:
    (tmp_path / "found").touch()
    slots = []
    for number, script in enumerate([LEAVING, LOOKING] * 10):
        (tmp_path / f"{number}.sh").write_text(script)
        slots.append(SimpleNamespace(script=Path("/mnt", f"{number}.sh")))
    (tmp_path / "all.sh").write_text(build_pod_script(cast(Any, slots)))
    command = [*CONTAINER, FIRST % (shell, IN_CONTAINER), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
