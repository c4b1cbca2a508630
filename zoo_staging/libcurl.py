"""pycurl, loaded so that it uses the libcurl in its wheel, whatever libcurl this process has already loaded.

A ZOO kernel is linked to the system's libcurl, which is older and whose symbols would be found first.
"""

import os
import sys
from functools import lru_cache

_FLAGS = sys.getdlopenflags()
sys.setdlopenflags(_FLAGS | getattr(os, "RTLD_DEEPBIND", 0))
import pycurl  # noqa: E402

sys.setdlopenflags(_FLAGS)

__all__ = ["find_authorities", "pycurl"]


@lru_cache(1)
def find_authorities() -> tuple[str | None, str | None]:
    """Find the certificate authorities that this machine trusts, as OpenSSL does (SSL_CERT_FILE, SSL_CERT_DIR)."""
    # with OpenSSL it takes 8 ms to load, which a pod that trusts one authority alone need not spend
    import ssl

    paths = ssl.get_default_verify_paths()
    return paths.cafile, paths.capath
