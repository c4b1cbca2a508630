import os
import subprocess
import sys
from ctypes.util import find_library

from tests.require import require


def test_a_process_that_has_another_libcurl_uses_the_one_that_pycurl_brings() -> None:
    """As inside a ZOO kernel, which is linked to the system's."""
    other = find_library("curl-gnutls") or find_library("curl")
    require(other is not None, "no libcurl on this machine; git brings one")
    done = subprocess.run(
        [sys.executable, "-c", "import zoo_staging.curl"],
        env={**os.environ, "LD_PRELOAD": str(other)},  # noqa: TID251 the loader reads it there
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
