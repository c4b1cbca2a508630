"""Tells the template which process ids cannot be deployed.

The kernel puts the folder of a user's processes first on the module path, so a process hides the module of its name
from every later deploy of that user. Which modules there are is asked of the interpreter that deploys. This is an
extension and no hook: a hook is a child process, whose exit code a kernel never learns, because it ignores SIGCHLD.
"""

import keyword
import os
import sys
from importlib.machinery import PathFinder

from jinja2.ext import Extension


class ProcessIds(Extension):
    """Adds the tests `callable_by_kernel` and `importable` for process ids."""

    def __init__(self, environment):
        super().__init__(environment)
        environment.tests.update(callable_by_kernel=is_callable_by_kernel, importable=is_importable)


def is_callable_by_kernel(process_id):
    """Whether the kernel can call the function of a process: its id with `_` for `-`."""
    function = process_id.replace("-", "_")
    return function.isascii() and function.isidentifier() and not keyword.iskeyword(function)


def is_importable(name):
    """Whether this interpreter finds a module of that name; a process that is deployed already does not count."""
    if name in sys.modules or name in sys.stdlib_module_names:
        return True
    places = [place for place in sys.path if not os.path.exists(os.path.join(place, name, "app-package.cwl"))]
    return PathFinder.find_spec(name, places) is not None
