"""How the tests of a run are shared out among its workers (pytest-xdist): file by file.

The tests of a file share servers and namespaces. Files that use one thing of the machine go to one worker, too.
"""

from xdist.scheduler import LoadFileScheduling

_TOGETHER = {
    # they change the realm of the one Keycloak
    "keycloak": ("tests/live/test_identity.py", "tests/live/test_policy.py"),
    # scripts of users know one namespace
    "hera": (
        "tests/live/test_hera.py",
        "tests/live/test_hera_outages.py",
        "tests/live/test_hera_preflight.py",
        "tests/live/test_hera_results.py",
        "tests/live/test_hera_scripts.py",
    ),
    # they parse the source of the project
    "source": (
        "tests/unit/test_architecture.py",
        "tests/unit/test_codes.py",
        "tests/unit/test_extras.py",
        "tests/unit/test_prose.py",
    ),
    # they count the processes of the one kernel
    "zoo": ("tests/live/test_zoo_kernel.py", "tests/live/test_zoo_leftovers.py"),
}
_GROUPS = {file: group for group, files in _TOGETHER.items() for file in files}


class SharingByFile(LoadFileScheduling):  # type: ignore[misc] # it has no types
    """Gives each worker whole files, those with the most tests first."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return _GROUPS.get(file, file)
