"""Announces changes on a message bus: the workflow is put into a bucket, then a message says so."""

from collections.abc import Callable
from hashlib import sha256
from urllib.parse import quote

from zoo_runner.api_client import UnansweredError
from zoo_runner.harvest.applying import Outlet
from zoo_runner.harvest.bus_settings import MARK, Announcement, name_bucket
from zoo_runner.harvest.messages import ChangeMessage, encode_message
from zoo_runner.harvest.packed import encode_workflow
from zoo_runner.harvest.sources import Source
from zoo_runner.harvest.workflow_files import WorkflowFiles
from zoo_runner.harvest.workflows import Workflow
from zoo_runner.model.errors import RunnerError

Publish = Callable[[str, bytes], None]
"""Sends a message to a topic, where it is stored when this returns; raises `RunnerError`."""


class UnannouncedError(UnansweredError):
    """A change is made, and could not be announced."""

    default_code = "bus.refused"
    sent = True


class Announcer:
    """Makes changes at a server, if there is one, and announces them.

    The message comes last, and the record of the change after it: whatever ends this, a change that is not announced is
    made again by the next run, and announced then.
    """

    def __init__(
        self, server: Outlet | None, announcement: Announcement, publish: Publish, files: WorkflowFiles, source: Source
    ) -> None:
        self._server, self._announcement, self._publish = server, announcement, publish
        self._files, self._source = files, source

    def ensure_free(self, name: str) -> None:
        """Raise `RunnerError` where somebody else has a process of this id."""
        if self._server:
            self._server.ensure_free(name)

    def deploy(self, workflow: Workflow, *, is_ours: bool) -> str:
        """Deploy a workflow, and announce it."""
        process = self._server.deploy(workflow, is_ours=is_ours) if self._server else workflow.process_id
        self._announce(workflow)
        return process

    def replace(self, process: str, workflow: Workflow) -> str:
        """Replace a process, and announce its workflow."""
        process = self._server.replace(process, workflow) if self._server else process
        self._announce(workflow)
        return process

    def undeploy(self, process: str, name: str) -> None:
        """Remove a process and the file of its workflow, and announce that."""
        if self._server:
            self._server.undeploy(process, name)
        key = self._build_key(name)
        self._files.remove(key)
        self._send(deleted=(key,))

    def _announce(self, workflow: Workflow) -> None:
        key = self._build_key(workflow.process_id)
        if self._files.write(key, encode_workflow(workflow)):
            self._send(updated=(key,))
        else:
            self._send(added=(key,))

    def _build_key(self, name: str) -> str:
        source = self._source
        # two sources of a workspace do not share files; a file keeps its key when its document is renamed
        part = sha256("\n".join(source.place).encode()).hexdigest()[:12]
        return f"{self._announcement.keys.replace(MARK, source.workspace)}{part}/{quote(name, safe='')}.cwl"

    def _send(self, added: tuple[str, ...] = (), updated: tuple[str, ...] = (), deleted: tuple[str, ...] = ()) -> None:
        source, bucket = self._source, name_bucket(self._announcement.files)
        message = ChangeMessage(source.workspace, bucket, str(source), source.workspace, added, updated, deleted)
        try:
            self._publish(self._announcement.bus.topic, encode_message(message))
        except UnansweredError:
            raise
        except RunnerError as error:
            # the process may be there already, and is ours
            found = error.diagnosis
            raise UnannouncedError(found.cause, found.remedy, code=found.code) from error
