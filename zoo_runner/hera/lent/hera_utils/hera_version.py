"""The version of Hera, and templates of workflows."""

import sys
from importlib.metadata import version

from hera.shared import global_config
from hera.workflows import WorkflowsService


def print_version() -> None:
    """Print the version of Hera."""
    print(f"Hera {version('hera')}")


def check_version(expected: str) -> bool:
    """Whether Hera has this version."""
    return version("hera") == expected


def assert_version(expected: str) -> None:
    """End the script if Hera has another version."""
    if not check_version(expected):
        sys.exit(f"this script is for Hera {expected}; installed is {version('hera')}")


def clear_workflow_template(name: str) -> None:
    """Delete a workflow template; one that does not exist is no error."""
    from hera.exceptions import NotFound

    try:
        WorkflowsService().delete_workflow_template(name, namespace=global_config.namespace)
    except NotFound:
        return


hera_assert_version = assert_version
hera_clear_workflow_template = clear_workflow_template
