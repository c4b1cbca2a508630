"""pycurl, loaded so that it uses the libcurl that it brings, whatever this process has already.

A ZOO kernel is linked to the system's libcurl, which is older and whose symbols would be found first.
"""

import os
import sys

_FLAGS = sys.getdlopenflags()
sys.setdlopenflags(_FLAGS | getattr(os, "RTLD_DEEPBIND", 0))
import pycurl  # noqa: E402

sys.setdlopenflags(_FLAGS)

__all__ = ["pycurl"]
