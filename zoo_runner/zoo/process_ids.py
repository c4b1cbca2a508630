"""Ids that a ZOO kernel can run a process under."""

import keyword
import re
import sys

from zoo_runner.model.errors import PackageError

_PROCESS_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NEEDED_MODULES = (
    "zoo zoo_runner zoo_staging stagein stageout cwltool schema_salad ruamel pycurl obstore kubernetes urllib3 pystac"
    # what the kernel's own services are and import
    " DeployProcess UndeployProcess DetectEntrypoint NotifyProcess deploy_util security_service service jwts ZooStub"
    " runDismiss securityIn browse Notify cookiecutter jinja2 yaml psycopg2 loguru jwt cwl_loader cwl2ogc cwl_utils"
)
RESERVED_NAMES = frozenset(
    {*_NEEDED_MODULES.split(), *(name for name in sys.stdlib_module_names if not name.startswith("_"))}
)
"""Modules that a deployed process would stand in the way of: its folder is found before them."""


def check_process_id(process_id: str) -> str:
    """Return a process id that a ZOO kernel can run, or raise `PackageError`.

    The kernel imports the module `<id>.service` and calls the function `<id>` with `-` as `_`.
    """
    function = process_id.replace("-", "_")
    if not _PROCESS_ID.fullmatch(process_id) or keyword.iskeyword(function):
        raise PackageError(
            f"a ZOO kernel cannot run a process of the id {process_id!r}",
            "Use a letter or '_', then letters, digits, '_' and '-', and no word of the Python language.",
        )
    if process_id in RESERVED_NAMES:
        raise PackageError(
            f"the process id {process_id!r} is the name of a Python module that services need",
            "Give the workflow another id.",
        )
    return process_id
