"""Publishes a process of the tested workspace for a while, as its owner does: in the access document of it."""

import asyncio

from zoo_runner.access_documents import DocumentStore, Kind, change_document
from zoo_runner.model.workspace import StorageProfile


class Publisher:
    """Writes the access document of a workspace, where the server reads it. Raises `RunnerError`."""

    def __init__(self, address: str, storage: StorageProfile, workspace: str) -> None:
        self._store, self._workspace = DocumentStore(address, storage, "--access"), workspace

    def publish(self, process_id: str) -> None:
        """Have everybody use a process."""
        asyncio.run(change_document(self._store, self._workspace, {process_id: Kind.PUBLIC}))

    def withdraw(self, process_id: str) -> None:
        """Leave nothing of a process in the document."""
        asyncio.run(change_document(self._store, self._workspace, {process_id: None}))
