"""Lists of objects, page by page: what is kept of each object is all that stays in memory.

Source: Kubernetes documentation, "Retrieving large results sets in chunks".
"""

from collections.abc import Callable, Mapping, Sequence

from zoo_runner.engines.kubernetes.connection import Connection
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import Manifest

# a pod is 15 KiB of JSON, and ten times that once it is parsed
_PAGE = 100
_NODE_FIELDS = ("allocatable", "conditions")


async def list_all(
    connection: Connection, path: str, what: str, query: Mapping[str, str], keep: Callable[[Manifest], Manifest]
) -> tuple[list[Manifest], str]:
    """Return what `keep` leaves of each object, and the version of the list. Raises `ApiError`.

    Pages that are not there any more, because the list was compacted meanwhile, are read again as one.
    """
    try:
        return await _list_pages(connection, path, what, {**query, "limit": str(_PAGE)}, keep)
    except ApiError as error:
        if error.status != 410:
            raise
        return await _list_pages(connection, path, what, query, keep)


async def _list_pages(
    connection: Connection, path: str, what: str, query: Mapping[str, str], keep: Callable[[Manifest], Manifest]
) -> tuple[list[Manifest], str]:
    kept: list[Manifest] = []
    more: dict[str, str] = {}
    while True:
        page = await connection.call("GET", path, what, {**query, **more})
        kept += [keep(item) for item in page["items"]]
        meta = page.get("metadata") or {}
        if not meta.get("continue"):
            return kept, meta.get("resourceVersion", "")
        more = {"continue": meta["continue"]}


def trim_node(node: Manifest) -> Manifest:
    """Leave out what is not read of a node, most of all its images."""
    meta, status = node["metadata"], node.get("status") or {}
    return {
        **node,
        "metadata": take(("name", "labels"), meta),
        "status": take(_NODE_FIELDS, status),
    }


def take(names: Sequence[str], of: Manifest) -> Manifest:
    """Take some fields of an object, those that it has."""
    return {name: of[name] for name in names if name in of}
