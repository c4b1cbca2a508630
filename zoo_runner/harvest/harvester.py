"""Harvests sources: fetch, find, plan, change, with a record before and after each change."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from zoo_runner.access_documents import Kind as Use
from zoo_runner.api_client import UnansweredError
from zoo_runner.config.settings import Settings
from zoo_runner.harvest.access import Access, list_strange, plan_access, plan_closing, read_access, write_access
from zoo_runner.harvest.addresses import find_web_address
from zoo_runner.harvest.announcing import Announcer, Publish
from zoo_runner.harvest.applying import Done, Outlet, apply_changes
from zoo_runner.harvest.commit_status import post_status
from zoo_runner.harvest.fetching import find_branches, find_commit, read_commit
from zoo_runner.harvest.git import Tree
from zoo_runner.harvest.patterns import build_matcher
from zoo_runner.harvest.planning import (
    Change,
    Deployed,
    Kind,
    count_unresolved,
    follow_renames,
    leave_taken,
    list_given_up,
    list_left,
    list_owned,
    list_unresolved,
    plan_changes,
)
from zoo_runner.harvest.records import Record, Records, remove_left
from zoo_runner.harvest.server import ProcessServer
from zoo_runner.harvest.sources import Harvest, Source
from zoo_runner.harvest.workflow_files import WorkflowFiles
from zoo_runner.harvest.workflows import Finding, Found, find_workflows
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.package import Package
from zoo_runner.model.via import write_via
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.package.prepare import prepare_upload
from zoo_runner.package.resolver import Resolve

NO_STORAGE = StorageProfile()
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Report:
    """What a run found and did for a source. `commit`, empty: it could not be found; `problem` says why.

    `unchanged`: it is the commit of the last run, and nothing was left to do. `given_up` are workflows whose change
    failed too often to be tried again, and documents that could not be resolved so often; `unresolved` are those for
    which the next run tries again. `unposted` says why the git server does not show the outcome at the commit.
    `access` is who may use which process, where the source says so. `of` is the source of which this is one of several
    branches; `gone`: the branch is no more, and nothing of it is left.
    """

    source: str
    workspace: str
    commit: str = ""
    unchanged: bool = False
    workflows: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    done: tuple[Done, ...] = ()
    given_up: tuple[str, ...] = ()
    problem: Diagnosis | None = None
    unposted: Diagnosis | None = None
    access: Mapping[str, str] = field(default_factory=dict)
    unresolved: tuple[str, ...] = ()
    of: str = ""
    gone: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the server has what the commit has, but for documents with errors."""
        is_whole = self.problem is None and not self.given_up and not self.unresolved
        return is_whole and all(one.problem is None for one in self.done)


class Harvester:
    """Keeps a server up to date with its sources; `again` tries what was given up, `dry` changes nothing.

    `adopt`: processes of its workflows' ids that exist are taken for its own, after records were lost.

    `storage` is how the places of access documents and announced files are reached, `publish` sends announcements,
    `beat` is called at each step. Once `is_stopped`, nothing more is begun.
    """

    def __init__(  # noqa: PLR0913 what it needs, and three choices
        self,
        harvest: Harvest,
        settings: Settings,
        records: Records,
        resolve: Resolve,
        storage: StorageProfile = NO_STORAGE,
        *,
        publish: Publish | None = None,
        beat: Callable[[], None] = lambda: None,
        is_stopped: Callable[[], bool] = lambda: False,
        again: bool = False,
        adopt: bool = False,
        dry: bool = False,
    ) -> None:
        self._harvest, self._settings, self._records, self._resolve = harvest, settings, records, resolve
        self._storage, self._announce, self._again, self._dry = storage, publish, again, dry
        self._adopt, self._beat, self._is_stopped = adopt, beat, is_stopped

    def run(self, only: frozenset[tuple[str, ...]] = frozenset()) -> Iterator[Report]:
        """Harvest all sources, or those of some places; yield the report of each: one that fails stops no other."""
        with self._records.locked():
            remove_left(self._records.scratch)
            for source in self._harvest.sources:
                self._beat()
                if only and source.place not in only:
                    continue
                if self._is_stopped():
                    yield replace(Report(str(source), source.workspace), problem=_build_stopped().diagnosis)
                elif source.is_of_many:
                    yield from self._run_branches(source)
                else:
                    yield self._post(source, self._run_source(source))

    def _run_branches(self, source: Source) -> Iterator[Report]:
        """Harvest each branch of a source as one of its own; undeploy what those had that are gone."""
        report, key = Report(str(source), source.workspace, unchanged=True), self._harvest.build_key(source)
        try:
            record = self._records.read(key, str(source))
            commits, gone = self._find_branches(source, record)
            known = (*record.branches, *(name for name in commits if name not in record.branches))
            if known != record.branches and not self._dry:
                # before anything of it is deployed: whatever ends this, no branch is forgotten
                self._records.write(key, replace(record, branches=known))
            owned = {name: self._list_owned(source, name) for name in known}
        except RunnerError as error:
            yield replace(report, unchanged=False, problem=error.diagnosis)
            return
        if not commits and not gone:
            yield report
        for name in gone:
            self._beat()
            yield replace(self._forget_branch(source, name), of=str(source))
            owned[name] = self._list_owned(source, name)
        for name, commit in commits.items():
            yield self._run_branch(source, name, commit, owned)
        # an id may have been given up by a branch that came after one that waits for it
        for name, commit in commits.items():
            if not self._dry and self._has_freed(source, name, owned):
                yield self._run_branch(source, name, commit, owned)

    def _find_branches(self, source: Source, record: Record) -> tuple[dict[str, str], list[str]]:
        """Return the commits of the branches that there are, and which branches are gone."""
        commits = find_branches(source, self._settings)
        gone = [name for name in record.branches if name not in commits]
        if gone:
            # one server of several may not know all of them yet
            again = find_branches(source, self._settings)
            gone = [name for name in gone if name not in again]
        return commits, gone

    def _run_branch(self, source: Source, name: str, commit: str, owned: dict[str, set[str]]) -> Report:
        """Harvest one of several branches; `owned` are the ids of each, which is brought up to date."""
        self._beat()
        one = replace(source, branch=name)
        if self._is_stopped():
            return replace(Report(str(one), one.workspace), of=str(source), problem=_build_stopped().diagnosis)
        report = self._post(one, self._run_source(one, commit, _find_taken(owned, name)))
        owned[name] = self._list_owned(source, name) | (set(report.workflows) if self._dry else set())
        return replace(report, of=str(source))

    def _has_freed(self, source: Source, name: str, owned: Mapping[str, set[str]]) -> bool:
        """Whether a branch was denied an id that no other one has now."""
        one = replace(source, branch=name)
        record = self._records.read(self._harvest.build_key(one), str(one))
        return not _find_taken(owned, name).keys() >= set(record.taken)

    def _forget_branch(self, source: Source, name: str) -> Report:
        """Undeploy what a branch had that is gone."""
        one, key = replace(source, branch=name), self._harvest.build_key(source)
        report, own = Report(str(one), one.workspace), self._harvest.build_key(one)
        try:
            # should it come again, it is harvested like a new one
            record = replace(self._records.read(own, str(one)), commit="", unposted={})
            report = self._change(one, record, Found({}, (), frozenset()), Access(), report)
            if not self._dry and report.problem is None and not self._records.read(own, str(one)).deployed:
                all_of = self._records.read(key, str(source))
                left = tuple(other for other in all_of.branches if other != name)
                self._records.write(key, replace(all_of, branches=left))
                return replace(report, gone=True)
        except RunnerError as error:
            return replace(report, problem=error.diagnosis)
        return report

    def _list_owned(self, source: Source, branch: str) -> set[str]:
        """Return the ids of the workflows of a branch."""
        one = replace(source, branch=branch)
        return list_owned(self._records.read(self._harvest.build_key(one), str(one)).deployed)

    def _post(self, source: Source, report: Report) -> Report:
        """Have the git server show the outcome at the commit, unless it does from the last run."""
        if not source.commit_status or not report.commit or self._dry:
            return report
        key = self._harvest.build_key(source)
        outcome = self._records.read(key, str(source)).unposted if report.unchanged else _build_outcome(report)
        if not outcome:
            return report
        try:
            post_status(source, report.commit, outcome["good"], outcome["said"], self._settings.proxies)
        except UnansweredError as error:
            # the next run asks again
            return replace(report, unposted=error.diagnosis)
        except RunnerError as error:
            report = replace(report, unposted=error.diagnosis)
        self._records.write(key, replace(self._records.read(key, str(source)), unposted={}))
        return report

    def _run_source(self, source: Source, commit: str = "", taken: Mapping[str, str] = NOTHING) -> Report:
        """Harvest a branch; `taken` are ids of workflows that others have, with their branches."""
        report, key = Report(str(source), source.workspace), self._harvest.build_key(source)
        try:
            record, commit = self._records.read(key, str(source)), commit or find_commit(source, self._settings)
            report = replace(report, commit=commit, given_up=_list_given_up(record))
            handled = f"{commit} {_digest_patterns(source, self._harvest.access)}"
            is_same = record.commit == handled and taken.keys() >= set(record.taken)
            if is_same and not (self._again or self._adopt):
                return replace(report, unchanged=True)
            # to ask and to read may take minutes each
            self._beat()
            tree = read_commit(source, self._settings, commit, self._records.scratch)
            found, access = self._find(source, tree), self._find_access(tree)
            record = replace(record, taken=tuple(sorted(found.workflows.keys() & taken.keys())))
            found = leave_taken(found, taken, source.branch)
        except RunnerError as error:
            return replace(report, problem=error.diagnosis)
        return self._change(source, record, found, access, report, handled)

    def _change(
        self, source: Source, record: Record, found: Found, access: Access, report: Report, handled: str = ""
    ) -> Report:
        """Bring the server to what was found; `handled` is kept as the commit once all of it is done."""
        key = self._harvest.build_key(source)
        try:
            record = replace(record, deployed=self._look_after(source, follow_renames(found, record.deployed)))
            changes = plan_changes(found, record.deployed, again=self._again, adopt=self._adopt)
            findings = (*found.findings, *list_strange(access, found, record.deployed))
            report = replace(report, workflows=tuple(found.workflows), findings=findings)
            report = replace(report, unresolved=tuple(sorted(found.passing)))
            if self._dry:
                return replace(report, done=tuple(map(Done, changes)))
            # a branch may be set back to the commit of the last run after half of this one
            record = replace(record, commit="", unresolved=count_unresolved(found, record.unresolved))
            self._records.write(key, record)
            gone = {change.name for change in changes if change.kind is Kind.UNDEPLOY}
            closed = self._publish(source, plan_closing(access.document, record.deployed, gone))
            report = replace(report, access=closed)
            for one in self._apply(source, record, found, changes, report.commit):
                # what was done before the server went away is reported as well
                report = replace(report, done=(*report.done, one))
            after = self._records.read(key, str(source))
            left = list_unresolved(after.unresolved)
            report = replace(report, given_up=_list_given_up(after), unresolved=tuple(left))
            kinds = plan_access(access.document, after.deployed) if access.document else {}
            report = replace(report, access={**closed, **self._publish(source, kinds)})
            # only now: what is left is done by the next run, whatever ended this one
            if handled and not (left or list_left(after.deployed)):
                unposted = _build_outcome(report) if source.commit_status else {}
                self._records.write(key, replace(after, commit=handled, unposted=unposted))
        except RunnerError as error:
            return replace(report, problem=error.diagnosis)
        return report

    def _look_after(self, source: Source, known: Mapping[str, Deployed]) -> dict[str, Deployed]:
        """Return what is known without processes that somebody has removed from the server, if this is asked for."""
        if not self._again or not self._harvest.server:
            return dict(known)
        server = self._open_server(source)
        return {
            name: one
            if not (one.done and one.process) or server.has(one.process)
            else replace(one, process="", done=False)
            for name, one in known.items()
        }

    def _publish(self, source: Source, kinds: Mapping[str, Use]) -> dict[str, str]:
        """Write who may use processes of a source, where that is kept; return it."""
        if not self._harvest.access or not kinds:
            return {}
        write_access(self._harvest.access, self._storage, source.workspace, kinds)
        return {process: kind.value for process, kind in kinds.items()}

    def _find_access(self, tree: Tree) -> Access:
        return read_access(tree) if self._harvest.access else Access()

    def _find(self, source: Source, tree: Tree) -> Found:
        def load(texts: Mapping[str, str], path: str) -> Package:
            self._beat()
            return prepare_upload(texts, path, None, self._settings, self._resolve)

        return find_workflows(tree, build_matcher(source.include, source.exclude), load)

    def _apply(
        self, source: Source, record: Record, found: Found, changes: list[Change], commit: str
    ) -> Iterator[Done]:
        write = partial(self._records.write, self._harvest.build_key(source))
        outlet, left = self._open_outlet(source, commit), len(changes)
        for done in apply_changes(changes, found.workflows, record, outlet, write):
            self._beat()
            yield done
            left -= 1
            if left and self._is_stopped():
                raise _build_stopped()

    def _open_outlet(self, source: Source, commit: str) -> Outlet:
        def say_origin(path: str) -> str:
            return write_via(find_web_address(source.url), commit, str(PurePosixPath(source.folder) / path))

        harvest, server = self._harvest, self._open_server(source, say_origin)
        if harvest.announcement is None or self._announce is None:
            return server
        files = WorkflowFiles(harvest.announcement.files, self._storage)
        return Announcer(server if harvest.server else None, harvest.announcement, self._announce, files, source)

    def _open_server(self, source: Source, origin: Callable[[str], str] = lambda _: "") -> ProcessServer:
        base = self._harvest.build_base(source.workspace)
        return ProcessServer(base, self._harvest.token_file, self._settings.proxies, origin)


def _build_stopped() -> RunnerError:
    return EngineError("the harvest was stopped", "The next run does what is left.", code="harvest.stopped")


def _find_taken(owned: Mapping[str, set[str]], name: str) -> dict[str, str]:
    """Return the ids that other branches have; of several that have one, the first."""
    others = [other for other in owned if other != name]
    return {process: other for other in reversed(others) for process in owned[other] - owned[name]}


def _list_given_up(record: Record) -> tuple[str, ...]:
    """List the workflows and documents that are not tried again for their commit."""
    left = list_unresolved(record.unresolved)
    return (*list_given_up(record.deployed), *(path for path in record.unresolved if path not in left))


def _build_outcome(report: Report) -> dict[str, Any]:
    """Build what the git server is to show at the commit."""
    errors = [one for one in report.findings if one.severity == "error"]
    problem = report.problem or next((one.problem for one in report.done if one.problem), None)
    if problem:
        said = problem.cause
    elif errors:
        said = f"{errors[0].path}: {errors[0].message}" + (f" (and {len(errors) - 1} more)" if errors[1:] else "")
    else:
        said = f"{len(report.workflows)} workflows are deployed"
    return {"good": problem is None and not errors, "said": said}


def _digest_patterns(source: Source, access: str) -> str:
    handled_with = (source.include, source.exclude, *([access] if access else []))
    return sha256(repr(handled_with).encode()).hexdigest()[:16]
