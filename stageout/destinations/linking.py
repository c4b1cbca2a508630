"""Gives a file a second name in the folder of the results, where that is as good as a copy of it."""

import os
import stat
from functools import lru_cache
from pathlib import Path

_DEFAULT_ACL = "system.posix_acl_default"


def link_file(source: str, folder: int, name: str) -> bool:
    """Name a file in an open folder too, and give it the permissions of a new one; False where a copy is needed.

    That is so for a file that has other names, through which others could change the results; that a copy would take
    from its owner or group; that is a link itself; on another disk; and where the name is taken.
    """
    try:
        file, place = os.lstat(source), os.fstat(folder)
        if not _is_as_new(file, place) or _DEFAULT_ACL in os.listxattr(folder):
            return False
        mode = 0o666 & ~_read_umask()
        if stat.S_IMODE(file.st_mode) != mode:
            os.chmod(source, mode)  # noqa: PTH101 a text: a Path for each of thousands of files costs more than this
        os.link(source, name, dst_dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_as_new(file: os.stat_result, folder: os.stat_result) -> bool:
    """Whether a file is as if this process had just created it in the folder."""
    group = folder.st_gid if folder.st_mode & stat.S_ISGID else os.getegid()
    owned = file.st_uid == os.geteuid() and file.st_gid == group
    return stat.S_ISREG(file.st_mode) and file.st_nlink == 1 and owned


@lru_cache(1)
def _read_umask() -> int:
    """Read the umask without changing it, as `os.umask` would for all threads. Source: proc_pid_status(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1], 8) for line in lines if line.startswith("Umask:")), 0o077)
