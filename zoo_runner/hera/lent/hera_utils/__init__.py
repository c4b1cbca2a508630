"""What scripts import from `hera_utils`, of both generations (in a repository, 2024-04; and package 0.2).

The values are those that `zoo-runner hera config` prints; options on a script's command line override them. The token
is that of `zoo-runner hera run`: no Secret of the service account is read. Each class is in a module of its own name
too, as there.
"""

from .argo_server import argo_server
from .hera_version import (
    assert_version,
    check_version,
    clear_workflow_template,
    hera_assert_version,
    hera_clear_workflow_template,
    print_version,
)
from .k8s_cluster import k8s_cluster
from .parse_arguments import parse_arguments
from .parser import parser

__all__ = [
    "argo_server",
    "assert_version",
    "check_version",
    "clear_workflow_template",
    "hera_assert_version",
    "hera_clear_workflow_template",
    "k8s_cluster",
    "parse_arguments",
    "parser",
    "print_version",
]
