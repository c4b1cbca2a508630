"""Does what a message says: deploys, replaces and undeploys the workflows of the files that it names.

A message says where to look, and what lies there counts. So messages may come twice, or in another order than they
were sent: a file that is as it was changes nothing, and what is older than the last that was heard of a file is left.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from urllib.parse import quote

from zoo_runner.config.settings import Settings
from zoo_runner.harvest.applying import Done, apply_changes
from zoo_runner.harvest.bus_settings import MARK, Ingest
from zoo_runner.harvest.git import Tree
from zoo_runner.harvest.messages import ChangeMessage
from zoo_runner.harvest.patterns import build_matcher
from zoo_runner.harvest.planning import Change, Deployed, plan_changes
from zoo_runner.harvest.records import Record, Records
from zoo_runner.harvest.server import ProcessServer
from zoo_runner.harvest.workflow_files import WorkflowFiles
from zoo_runner.harvest.workflows import UNREACHABLE, Found, find_workflows
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import EngineError, NotReachedError, RunnerError
from zoo_runner.model.package import Package
from zoo_runner.package.findings import Severity
from zoo_runner.package.prepare import prepare_upload
from zoo_runner.package.resolver import Resolve
from zoo_runner.store.errors import HeldError

_LASTING = ("bus.file", "harvest.same-id")
_PASSING = (UNREACHABLE, "package.not-found", "package.resolve")

MOST_SEEN = 10_000
"""Of how many files the time of the newest message is kept."""


def is_lasting(code: str) -> bool:
    """Whether another attempt would not change what has this code, as long as the file does not change.

    >>> is_lasting("package.syntax"), is_lasting("package.unreachable"), is_lasting("harvest.refused")
    (True, False, False)
    """
    return code in _LASTING or (code.startswith("package.") and code not in _PASSING)


class SameIdError(EngineError):
    """Two files have workflows of the same id."""

    default_code = "harvest.same-id"


@dataclass(frozen=True)
class Failed:
    """A file whose workflow could not be changed, and why."""

    path: str
    problem: Diagnosis


@dataclass(frozen=True)
class Handled:
    """What was done for a message: `ignored` files are no workflows, `outdated` ones were in a newer message."""

    workspace: str = ""
    source: str = ""
    done: tuple[Done, ...] = ()
    failed: tuple[Failed, ...] = ()
    ignored: int = 0
    outdated: int = 0

    @property
    def is_lasting(self) -> bool:
        """Whether another attempt would change nothing."""
        return all(is_lasting(one.problem.code) for one in self.failed)


class Ingester:
    """Carries out messages, with a record before and after each change; `beat` is called before each file."""

    def __init__(
        self,
        ingest: Ingest,
        settings: Settings,
        records: Records,
        resolve: Resolve,
        files: WorkflowFiles,
        beat: Callable[[], None],
    ) -> None:
        self.beat = beat
        self._ingest, self._settings, self._records = ingest, settings, records
        self._resolve, self._files = resolve, files
        self._is_candidate = build_matcher(ingest.include, ingest.exclude)

    def handle(self, message: ChangeMessage, published: int) -> Handled:
        """Do what a message says; the outcome is stored when this returns. Raises `NotReachedError` for an outage."""
        job = _Message(self, message, published)
        done = [one for path in message.changed + message.deleted for one in job.handle(path)]
        failed = [*job.failed, *(Failed(one.change.path, one.problem) for one in done if one.problem)]
        return Handled(message.workspace, message.source, tuple(done), tuple(failed), job.ignored, job.outdated)

    def open_server(self, workspace: str) -> ProcessServer:
        """Return the API of a workspace."""
        return ProcessServer(self._build_base(workspace), self._ingest.token_file, self._settings.proxies)

    def build_key(self, workspace: str) -> str:
        """Build a name for the record of a workspace: the same for the same bucket and the same API."""
        parts = (self._build_base(workspace), "bus", self._ingest.files, workspace)
        return sha256("\n".join(parts).encode()).hexdigest()[:24]

    def is_candidate(self, path: str) -> bool:
        """Whether a file may be a workflow."""
        return self._is_candidate(path)

    def find(self, path: str) -> Found:
        """Find the workflow in a file; raises `RunnerError`."""

        def load(texts: Mapping[str, str], main: str) -> Package:
            return prepare_upload(texts, main, None, self._settings, self._resolve)

        found = find_workflows(Tree("", {path: self._files.read(path)}, {}), lambda _: True, load)
        if path in found.held:
            error = next(one for one in found.findings if one.severity is Severity.ERROR)
            raise EngineError(error.message, error.remedy or "Correct the document.", code=error.code)
        return found

    def exists(self, path: str) -> bool:
        """Whether a file is there."""
        return self._files.exists(path)

    def read(self, key: str, name: str) -> Record:
        """Read a record."""
        return self._records.read(key, name)

    def write(self, key: str, record: Record) -> None:
        """Write a record."""
        self._records.write(key, record)

    def _build_base(self, workspace: str) -> str:
        return self._ingest.server.replace(MARK, quote(workspace, safe="")).rstrip("/")


class _Message:
    """The files of one message, one after another."""

    def __init__(self, ingester: Ingester, message: ChangeMessage, published: int) -> None:
        self._ingester, self._message, self._published = ingester, message, published
        self._key = ingester.build_key(message.workspace)
        self._record = ingester.read(self._key, f"{message.bucket} {message.workspace}")
        self._server = ingester.open_server(message.workspace)
        self.failed: list[Failed] = []
        self.ignored = self.outdated = 0

    def handle(self, path: str) -> Iterator[Done]:
        """Make the changes of one file."""
        self._ingester.beat()
        if not self._ingester.is_candidate(path):
            self.ignored += 1
        elif self._record.seen.get(path, 0) > self._published:
            self.outdated += 1
        else:
            yield from self._change(path)

    def _change(self, path: str) -> Iterator[Done]:
        is_gone = path in self._message.deleted
        try:
            found = Found({}, (), frozenset()) if is_gone else self._ingester.find(path)
            changes = self._plan(path, found)
        except (NotReachedError, HeldError):
            # an outage, or another process has the records
            raise
        except RunnerError as error:
            self.failed.append(Failed(path, error.diagnosis))
            return
        works = True
        for one in apply_changes(changes, found.workflows, self._record, self._server, self._write):
            works = works and one.problem is None
            yield one
        if works and self._record.seen.get(path) != self._published:
            self._write(replace(self._record, seen=_add_newest(self._record.seen, path, self._published)))

    def _plan(self, path: str, found: Found) -> list[Change]:
        known = {name: one for name, one in self._record.deployed.items() if one.path == path}
        for name in found.workflows:
            other = self._record.deployed.get(name)
            if other and other.path != path:
                known[name] = self._take_over(name, other, path)
        return plan_changes(found, known, again=True)

    def _take_over(self, name: str, other: Deployed, path: str) -> Deployed:
        """Return what is known of a workflow whose file was renamed; raises `SameIdError` where both are there."""
        if other.path not in self._message.deleted and self._ingester.exists(other.path):
            raise SameIdError(
                f"the workflow has the id {name!r}, which that in {other.path} has too",
                "Give each workflow an id of its own.",
            )
        moved = replace(other, path=path)
        self._write(self._record.change(name, moved))
        return moved

    def _write(self, record: Record) -> None:
        self._record = record
        self._ingester.write(self._key, record)


def _add_newest(seen: Mapping[str, int], path: str, published: int) -> dict[str, int]:
    """Add a file, and forget the oldest: messages may name any number of files that never were there."""
    added = {**seen, path: published}
    return dict(sorted(added.items(), key=lambda one: one[1])[-MOST_SEEN:])
