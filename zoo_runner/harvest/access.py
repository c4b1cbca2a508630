"""Who may use the workflows of a source: the access document beside them, written to where the server reads it."""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from zoo_runner.access_documents import AccessDocument, DocumentStore, Kind, change_document, parse_entry
from zoo_runner.harvest.git import Tree
from zoo_runner.harvest.planning import Deployed
from zoo_runner.harvest.workflows import Finding, Found
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.package.findings import Severity

FILE = "workflow-access.json"
"""The document of a source, in its folder; it has the form of those that servers read."""
_REMEDY = 'Correct it, as in {"workflows": {"<workflow>": {"access": "public"}}}.'


@dataclass(frozen=True)
class Access:
    """What the document of a commit says; None where there is none, or none that can be followed."""

    document: AccessDocument | None = None
    findings: tuple[Finding, ...] = ()


def read_access(tree: Tree) -> Access:
    """Read who may use the workflows of a commit; pure.

    Where anything is wrong with the document nothing of it is followed: what was public before stays so until somebody
    has looked.
    """
    if (text := tree.documents.get(FILE)) is None:
        return Access()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _refuse(f"cannot be read: {error}")
    workflows = document.get("workflows") if isinstance(document, dict) else None
    if not isinstance(workflows, dict):
        return _refuse("is not an object with the member workflows")
    entries = {name: parse_entry(given) for name, given in workflows.items()}
    if unknown := sorted(name for name, entry in entries.items() if entry is None):
        return _refuse(f"says of {unknown[0]!r} what is neither private nor public, or a type that is unknown")
    return Access(AccessDocument({name: entry or {} for name, entry in entries.items()}))


def list_strange(access: Access, found: Found, known: Mapping[str, Deployed]) -> tuple[Finding, ...]:
    """List the findings of a document, and the names in it that are of no workflow of the commit; pure."""
    held = {name for name, one in known.items() if found.is_held(one.path)}
    named = access.document.workflows if access.document else {}
    strange = sorted(named.keys() - found.workflows.keys() - held)
    what = "names {!r}, which is no workflow of this commit"
    absent = [Finding(FILE, Severity.WARNING, "harvest.access", what.format(name)) for name in strange]
    return (*access.findings, *absent)


def _refuse(why: str) -> Access:
    return Access(None, (Finding(FILE, Severity.ERROR, "harvest.access", why, _REMEDY),))


def plan_closing(
    document: AccessDocument | None, before: Mapping[str, Deployed], gone: Collection[str]
) -> dict[str, Kind]:
    """Plan which processes become private before anything else is changed: a killed run leaves none open; pure.

    What is gone becomes so without a document, too: another process of its id must not be public for it.
    """
    known = {name: one.process for name, one in before.items() if one.process}
    private = {name for name in known if document and document.find_kind(name) is Kind.PRIVATE}
    return {process: Kind.PRIVATE for name, process in known.items() if name in private or name in gone}


def plan_access(document: AccessDocument, after: Mapping[str, Deployed]) -> dict[str, Kind]:
    """Plan who may use the processes of a source that there are now, by their ids at the server; pure."""
    return {one.process: document.find_kind(name) for name, one in after.items() if one.process}


def write_access(place: str, storage: StorageProfile, workspace: str, kinds: Mapping[str, Kind]) -> None:
    """Write who may use processes into the access document of a workspace; raises `RunnerError`."""
    asyncio.run(change_document(DocumentStore(place, storage, "access"), workspace, kinds))
