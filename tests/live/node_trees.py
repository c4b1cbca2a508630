"""The nodes of the examples in docs/argo.md, as `argo get` prints them once a job has succeeded.

Each test of an example keeps its tree true: it compares, or with `UPDATE_DOCS=1` writes.
"""

import re

from tests.cluster import ENVIRON, argo, kubectl
from tests.live.diagnosis_table import ARGO_PAGE
from tests.site import Site
from zoo_runner.engines.argo.engine import ArgoEngine
from zoo_runner.engines.argo.native.engine import NativeEngine
from zoo_runner.engines.kubernetes.names import Names
from zoo_runner.engines.protocol import Handle

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class _Shown(ArgoEngine):
    """Reads the tree of a job's nodes when its Workflow has ended, before that is removed."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.configuration)
        self._site, self.tree = site, ""

    def remove(self, handle: Handle) -> None:
        names = Names(**handle.data["names"])
        words = ("-n", names.namespace, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
        kubectl(self._site, "wait", f"workflow/{names.job}", *words)
        self.tree = cut_tree(argo(self._site, "get", names.job, "-n", names.namespace, "--no-color"))
        super().remove(handle)


class ShownInOnePod(_Shown):
    """The engine argo."""


class ShownInSteps(_Shown, NativeEngine):
    """The engine argo-native."""


def cut_tree(printed: str) -> str:
    """Take the first column of the tree, without the id of the job."""
    _, _, table = printed.partition("\nSTEP ")
    head, *rows = table.splitlines()
    width = len("STEP ") + head.index("TEMPLATE")
    return re.sub(_UUID, "…", "\n".join(row[:width].strip() for row in rows if row.strip()))


def keep_tree(example: str, tree: str) -> None:
    """Hold the tree of an example in docs/argo.md against what was printed, or write it."""
    page = ARGO_PAGE.read_text()
    found = re.search(rf"(?<=`{re.escape(example)}`:\n\n```text\n).*?(?=\n```)", page, re.DOTALL)
    assert found, f"{ARGO_PAGE.name} has no tree of {example}"
    if ENVIRON.get("UPDATE_DOCS"):
        ARGO_PAGE.write_text(page[: found.start()] + tree + page[found.end() :])
    else:
        # nodes that do not wait for each other are in the order in which they began
        wanted = f"{ARGO_PAGE.name} says something else; UPDATE_DOCS=1 writes what is printed"
        assert _list_nodes(found[0]) == _list_nodes(tree), wanted


def _list_nodes(tree: str) -> list[str]:
    return sorted(row.lstrip(" │├└─") for row in tree.splitlines())
