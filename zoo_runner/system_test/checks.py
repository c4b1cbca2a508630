"""The checks of a system test: each uses a deployment as a client does, and says what it found."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from zoo_runner.api_client import Answer, ApiClient
from zoo_runner.model.errors import RunnerError
from zoo_runner.system_test import zoo
from zoo_runner.system_test.packages import build_package
from zoo_runner.system_test.publishing import Publisher
from zoo_runner.system_test.report import Finding, Verdict

_FINAL = ("successful", "failed", "dismissed")
_REFUSED, _GONE = (401, 403, 404), (404, 410)
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
# a server reads access documents each 30 seconds, unless it is set otherwise (ZOO_RUNNER_ACCESS_INTERVAL)
_NOTICING_SECONDS = 120.0
# a Collection of STAC, its item, the file
_DEEPEST, _MOST_RESULTS = 2, 20
_NO_RESULTS = ("self", "root", "parent", "collection", "license")
_CWL, _JSON, _ANY = "Content-Type: application/cwl+yaml", "Content-Type: application/json", "Accept: */*"
_DEPLOYING = "http://www.opengis.net/spec/ogcapi-processes-2/1.0/conf/deploy-replace-undeploy"


@dataclass(frozen=True)
class Subject:
    """What is tested: the API of one workspace; and what else the operator has named, for the checks that need it.

    `other` reaches the API of another workspace as a member of that one; `intruder` has the same login, and asks at the
    tested API. `publisher` lets others use a process. `stamp` is part of all ids, so that runs at the same time do not
    meet.
    """

    client: ApiClient
    base: str
    stamp: str
    longest_seconds: float
    has_token: bool = False
    image: str | None = None
    other: ApiClient | None = None
    intruder: ApiClient | None = None
    backup: Path | None = None
    backup_hours: float = 26.0
    publisher: Publisher | None = None


class _FailedError(Exception):
    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.remedy = remedy


class _SkippedError(Exception):
    pass


class _NotApplicableError(Exception):
    pass


@dataclass
class _Trial:
    """What the checks of one run have made so far."""

    subject: Subject
    processes: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    is_zoo: bool = False

    def ask(self, method: str, path: str, body: bytes | None = None, *fields: str) -> Answer:
        return self.subject.client.call(method, path, body, *fields)

    def deploy(self, kind: str) -> str:
        """Deploy a package of this kind, once; return the path of the process."""
        if kind not in self.processes:
            name = f"system-test-{self.subject.stamp}-{kind}"
            package = build_package(kind, name, self.subject.image)
            # before the answer: one that is deployed and not answered is removed too
            self.processes[kind] = f"/processes/{name}"
            answer = self.ask("POST", f"/processes?w={name}", package, _CWL)
            # an attempt that was not answered may have been carried out
            _ensure(answer, (200, 201, *([409] if answer.repeated else [])), f"deploy {name}")
            described = self.ask("GET", self.processes[kind])
            _ensure(described, (200,), f"describe {name}")
            if "word" not in described.read_object().get("inputs", {}):
                raise _FailedError(f"the description of {name} lacks its input", "See the log of the server.")
        return self.processes[kind]

    def start(self, kind: str) -> str:
        """Start a job of this kind; return the address of its status."""
        process = self.deploy(kind)
        answer = self.execute(self.subject.client, process)
        _ensure(answer, (200, 201), f"start a job of {process}")
        job = answer.read_object().get("jobID")
        location = answer.headers.get("location", "")
        location = (
            f"/jobs/{quote(str(job), safe='')}" if job else urljoin(self.subject.base, location) if location else ""
        )
        if not location:
            raise _FailedError("the answer names no job", "The server has to answer asynchronous requests with a job.")
        self.jobs[kind] = location
        return location

    def execute(self, client: ApiClient, process: str) -> Answer:
        """Ask for an execution of a process."""
        request = json.dumps({"inputs": {"word": self.subject.stamp}, "response": "document"}).encode()
        return client.call("POST", f"{process}/execution", request, _JSON, "Prefer: respond-async")

    def wait(self, job: str, *states: str, client: ApiClient | None = None) -> Mapping[str, Any]:
        """Wait until a job has one of these states; return its status document."""
        until, pause = monotonic() + self.subject.longest_seconds, _FIRST_PAUSE_SECONDS
        while True:
            answer = (client or self.subject.client).call("GET", job)
            _ensure(answer, (200,), f"read the status of {job}")
            status = answer.read_object()
            if status.get("status") in states:
                return status
            if monotonic() > until or status.get("status") in _FINAL:
                said = f"job {job} is {status.get('status')!r}, and not {' or '.join(states)}"
                said += f" after {self.subject.longest_seconds:.0f} s" if status.get("status") not in _FINAL else ""
                why = str(status.get("message") or "")
                raise _FailedError(f"{said}: {why}" if why else said, _advise(status))
            # other servers have nothing to wait for
            threading.Event().wait(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE_SECONDS)

    def find_job(self, kind: str) -> str:
        if kind not in self.jobs:
            raise _SkippedError("there is no job to look at")
        return self.jobs[kind]

    def is_own(self, url: str) -> bool:
        """Whether the tested server itself has what is at this address."""
        return urlsplit(url).netloc == urlsplit(self.subject.base).netloc

    def list_logs(self, job: str) -> list[str]:
        """Return the addresses of the logs that the status of a job links to."""
        links = [link for link in self.ask("GET", job).read_object().get("links", []) if isinstance(link, dict)]
        hrefs = [str(link.get("href")) for link in links if "log" in str(link.get("title", "")).lower()]
        return [urljoin(f"{self.subject.base}/", href) for href in hrefs]


def _advise(status: Mapping[str, Any]) -> str:
    diagnosis = status.get("diagnosis")
    remedy = diagnosis.get("remedy") if isinstance(diagnosis, dict) else None
    return str(remedy or "See the logs of the job and of the server.")


def _ensure(answer: Answer, expected: tuple[int, ...], what: str) -> None:
    if answer.status in expected:
        return
    said = answer.read_cause()
    remedy = "See the log of the server."
    if answer.status in (401, 403):
        remedy = "Give the token of a member of the workspace who may do that (--token-file)."
    raise _FailedError(f"cannot {what}: HTTP {answer.status}{f': {said}' if said else ''}", remedy)


def _check_landing(trial: _Trial) -> str:
    answer = trial.ask("GET", "/conformance")
    _ensure(answer, (200,), "read the conformance declaration")
    classes = answer.read_object().get("conformsTo")
    if not isinstance(classes, list) or _DEPLOYING not in classes:
        raise _FailedError("the server does not declare Part 2 of the standard", "Check the address of the API.")
    absent = f"/processes/system-test-{trial.subject.stamp}-none"
    trial.is_zoo = zoo.is_zoo(trial.subject.client, answer.headers.get("x-powered-by", ""), absent)
    return f"{len(classes)} conformance classes{', of a ZOO kernel' if trial.is_zoo else ''}"


def _check_deploy(trial: _Trial) -> str:
    return f"process {trial.deploy('echo').rpartition('/')[2]}"


def _check_run(trial: _Trial) -> str:
    job = trial.start("echo")
    trial.wait(job, "successful")
    return f"job {job.rpartition('/')[2]} is successful"


def _check_results(trial: _Trial) -> str:
    job = trial.find_job("echo")
    answer = trial.ask("GET", f"{job}/results")
    _ensure(answer, (200,), "read the results")
    document = answer.read_object()
    if not document:
        raise _FailedError("the results are empty", "See the logs of the job, and where the results are stored.")
    words = f"said: {trial.subject.stamp}"
    if words in json.dumps(document):
        return "the document has what was said"
    read, elsewhere = 0, ""
    for url, content in _open_results(trial, document):
        if content is None:
            elsewhere = elsewhere or url
        elif words.encode() in content.body:
            return f"the file has what was said: {url}"
        else:
            read += 1
    if elsewhere:
        return f"results lie elsewhere and were not read: {elsewhere}"
    found = f"what was said is in none of {read} files" if read else "the results name no file"
    raise _FailedError(found, "See the logs of the job, and where the results are stored.")


def _open_results(trial: _Trial, document: Mapping[str, Any]) -> Iterator[tuple[str, Answer | None]]:
    """Read the files that results name, and those that these name, as a STAC Collection does; None: elsewhere."""
    waiting, read = [(f"{trial.subject.base}/", document, 0)], set[str]()
    while waiting:
        source, naming, depth = waiting.pop(0)
        for url in (urljoin(source, href) for href in _find_hrefs(naming)):
            if not trial.is_own(url):
                yield url, None
            elif url not in read and len(read) < _MOST_RESULTS:
                read.add(url)
                content = trial.ask("GET", url, None, _ANY)
                _ensure(content, (200,), f"read the result {url}")
                yield url, content
                if depth < _DEEPEST:
                    waiting.append((url, content.read_object(), depth + 1))


def _find_hrefs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("href"), str) and value.get("rel") not in _NO_RESULTS:
            yield value["href"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _find_hrefs(one)


def _check_logs(trial: _Trial) -> str:
    logs = trial.list_logs(trial.find_job("echo"))
    if not logs:
        raise _FailedError("the status of the job has no link to a log", "See the settings of logs of the server.")
    wanted = f"system test says {trial.subject.stamp}".encode()
    for url in logs:
        if urlsplit(url).scheme not in ("http", "https"):
            continue
        answer = trial.ask("GET", url, None, _ANY)
        if answer.status == 200 and wanted in answer.body:
            return f"what the tool printed is in {url}"
    raise _FailedError(f"what the tool printed is in none of {len(logs)} logs", "See the log of the server.")


def _check_failure(trial: _Trial) -> str:
    status = trial.wait(trial.start("fails"), "failed")
    diagnosis = status.get("diagnosis")
    if isinstance(diagnosis, dict) and all(diagnosis.get(name) for name in ("code", "level", "cause", "remedy")):
        said = f"{diagnosis['code']}: {diagnosis['cause']}"
        if diagnosis["level"] != "user":
            raise _FailedError(f"the job failed, but not by its tool: {said}", str(diagnosis["remedy"]))
        return said
    message = str(status.get("message") or "")
    # other servers have words of their own, or pass on those of the tool
    if "exit code 3" in message or f"system test fails with {trial.subject.stamp}" in message:
        return f"message: {message}"
    said = f"says another reason than its tool: {message}" if message else "gives no reason"
    raise _FailedError(f"the status of a failed job {said}", "See the logs of the job and of the server.")


def _check_dismiss(trial: _Trial) -> str:
    job = trial.start("waits")
    trial.wait(job, "running")
    answer = trial.ask("DELETE", job)
    _ensure(answer, (200, 202, 204), "dismiss a running job")
    begun = monotonic()
    if trial.ask("GET", job).status not in _GONE:
        trial.wait(job, "dismissed")
    return f"dismissed after {monotonic() - begun:.1f} s"


def _check_login(trial: _Trial) -> str:
    if not trial.subject.has_token:
        if trial.is_zoo:
            raise _NotApplicableError(f"{zoo.NO_USERS}; --token-file tests that one")
        raise _SkippedError("no token was given: who may reach the server may use it")
    job = trial.find_job("echo")
    logs = [url for url in trial.list_logs(job) if trial.is_own(url)]
    for what, client in (
        ("without a token", trial.subject.client.replace_token("")),
        ("with a wrong token", trial.subject.client.replace_token("wrong.token.here")),
    ):
        for path in (job, f"{job}/results", "/jobs", *logs):
            answer = client.call("GET", path, None, _ANY)
            if answer.status not in _REFUSED:
                remedy = zoo.POLICY if trial.is_zoo else "Check the settings of identity of the server."
                raise _FailedError(f"GET {path} {what} answers HTTP {answer.status}", remedy)
    return "requests without a token, and with a wrong one, are refused"


def _check_isolation(trial: _Trial) -> str:
    subject = trial.subject
    if subject.other is None or subject.intruder is None:
        raise _SkippedError("no other workspace was named (--other-url, --other-token-file)")
    job, process = trial.find_job("echo"), trial.processes["echo"]
    if trial.is_zoo and not subject.has_token:
        return _check_workspaces_of_zoo(trial, subject.other, job, process)
    logs = [url for url in trial.list_logs(job) if trial.is_own(url)]
    paths = (process, job, f"{job}/results", f"{job}/logs", *logs)
    for where, client in (("at its own API", subject.other), ("at the tested API", subject.intruder)):
        _ensure_unlisted(client, "/jobs", job, where)
        # reading comes before what would change something
        reads = [("reads", "GET", path) for path in paths]
        for what, method, path in (*reads, *_list_changes(process), ("may dismiss", "DELETE", job)):
            _ensure_refused(trial, client, method, path, f"{what} {path} {where}")
    return "the other workspace finds neither process nor job, results or logs, and changes nothing"


def _check_workspaces_of_zoo(trial: _Trial, other: ApiClient, job: str, process: str) -> str:
    """Try what a ZOO kernel keeps apart by itself; what it does not is not applicable, as there is nobody to refuse."""
    _ensure_unlisted(other, "/jobs", job, "at its own API")
    _ensure_unlisted(other, "/processes", process, "at its own API")
    for what, method, path in (("reads", "GET", process), *_list_changes(process)):
        _ensure_refused(trial, other, method, path, f"{what} {path} at its own API")
    raise _NotApplicableError(f"{zoo.NO_OWNERS}; what it keeps apart was tried: lists and processes are those of each")


def _list_changes(process: str) -> tuple[tuple[str, str, str], ...]:
    return (("may execute", "POST", process), ("may undeploy", "DELETE", process))


def _ensure_unlisted(client: ApiClient, path: str, one: str, where: str) -> None:
    listed = client.call("GET", path)
    if listed.status == 200 and one.rpartition("/")[2].encode() in listed.body:
        raise _FailedError(f"the other workspace finds {one} in its list {where}", "Check the policy.")


def _ensure_refused(trial: _Trial, client: ApiClient, method: str, path: str, what: str) -> None:
    answer = trial.execute(client, path) if method == "POST" else client.call(method, path, None, _ANY)
    # servers differ in how they refuse what would change something
    if answer.status not in _REFUSED if method == "GET" else not 400 <= answer.status < 500:
        remedy = zoo.POLICY if trial.is_zoo else "Check the policy, and who are members of both workspaces."
        raise _FailedError(f"the other workspace {what}: HTTP {answer.status}", remedy)


def _check_access(trial: _Trial) -> str:
    """Publish a process, and see that another workspace may use it for so long, and no longer."""
    subject = trial.subject
    if trial.is_zoo:
        raise _NotApplicableError(zoo.NO_ACCESS)
    if subject.publisher is None:
        raise _SkippedError("no place of access documents was named (--access)")
    if subject.other is None or subject.intruder is None:
        raise _SkippedError("no other workspace was named (--other-url, --other-token-file)")
    own, process = trial.find_job("echo"), trial.processes["echo"]
    name = process.rpartition("/")[2]
    subject.publisher.publish(name)
    try:
        noticed = _wait_for(subject, process, (200,), f"{process}, which was published,")
        if not 400 <= subject.intruder.call("DELETE", process).status < 500:
            raise _FailedError(f"the other workspace may undeploy {process}, which is public", "Check the policy.")
        answer = trial.execute(subject.intruder, process)
        _ensure(answer, (200, 201), f"execute {name} as a member of the other workspace")
        job = answer.headers.get("location") or f"/jobs/{quote(str(answer.read_object().get('jobID')), safe='')}"
        trial.wait(job, "successful", client=subject.other)
        # whose job it is removes it; nothing of a test is to stay
        subject.other.call("DELETE", job)
    finally:
        subject.publisher.withdraw(name)
    # what its jobs have left is no more public than the process
    for path in (process, own, f"{own}/results"):
        _wait_for(subject, path, _REFUSED, f"{path}, which is private again,")
    return f"seen after {noticed:.1f} s, executed by the other workspace, and refused when it was private again"


def _wait_for(subject: Subject, path: str, expected: tuple[int, ...], what: str) -> float:
    """Wait until the other workspace is answered so at the tested API; return how long that took, in seconds."""
    begun = monotonic()
    while True:
        status = subject.intruder.call("GET", path).status if subject.intruder else 0
        if status in expected:
            return monotonic() - begun
        if monotonic() - begun > _NOTICING_SECONDS:
            raise _FailedError(
                f"{what} is answered with HTTP {status} to the other workspace after {_NOTICING_SECONDS:.0f} s",
                "Check that the server reads access documents there (ZOO_RUNNER_ACCESS), and its policy.",
            )
        # other servers have nothing to wait for
        threading.Event().wait(_FIRST_PAUSE_SECONDS)


def _check_backup(trial: _Trial) -> str:
    path = trial.subject.backup
    if path is None:
        raise _SkippedError("no back-up was named (--backup)")
    try:
        files = [one for one in path.iterdir() if one.is_file()] if path.is_dir() else [path]
        newest = max((one.stat().st_mtime, one) for one in files)
    except (OSError, ValueError) as error:
        raise _FailedError(f"there is no back-up at {path}", "Write one with `zoo-runner backup`.") from error
    hours = (time() - newest[0]) / 3600
    if hours > trial.subject.backup_hours:
        raise _FailedError(
            f"the newest back-up, {newest[1]}, is {hours:.1f} hours old, and may have {trial.subject.backup_hours:g}",
            "See why no newer one was written.",
        )
    return f"{newest[1]} is {hours:.1f} hours old"


def _check_undeploy(trial: _Trial) -> str:
    for process in trial.processes.values():
        answer = trial.ask("DELETE", process)
        _ensure(answer, (200, 204, *_GONE), f"undeploy {process}")
        if trial.ask("GET", process).status == 200:
            raise _FailedError(f"{process} is still described", "Remove it by hand.")
    removed, trial.processes = len(trial.processes), {}
    return f"{removed} processes removed"


CHECKS: tuple[tuple[str, str, Callable[[_Trial], str]], ...] = (
    ("landing", "the API answers and declares what it conforms to", _check_landing),
    ("deploy", "a package is deployed and described", _check_deploy),
    ("run", "a job ends with success", _check_run),
    ("results", "its results can be read", _check_results),
    ("logs", "what its tool printed is in its logs", _check_logs),
    ("failure", "a job that fails says why", _check_failure),
    ("dismiss", "a running job can be dismissed", _check_dismiss),
    ("login", "others are refused", _check_login),
    ("isolation", "another workspace sees nothing of it", _check_isolation),
    ("access", "what is published can be used by others, as long as it is", _check_access),
    ("backup", "there is a recent back-up", _check_backup),
    ("undeploy", "what was deployed can be removed", _check_undeploy),
)


_NEEDS = {"results": ("run",), "logs": ("run",)}
"""Checks that look at the job of another one."""


def run_checks(subject: Subject) -> Iterator[Finding]:
    """Run all checks, one after the other; what a run has deployed and started is gone at its end.

    Where the API does not answer, or a package cannot be deployed, what needs it is skipped.
    """
    trial, stopped, failed = _Trial(subject), "", set[str]()
    try:
        for name, shows, check in CHECKS:
            begun = monotonic()
            missing = next((one for one in _NEEDS.get(name, ()) if one in failed), stopped)
            if missing and check is not _check_backup:
                verdict, found, remedy = Verdict.SKIPPED, f"needs {missing}, which has failed", ""
            else:
                verdict, found, remedy = _try(check, trial)
            if verdict is Verdict.FAILED:
                failed.add(name)
                stopped = name if check in (_check_landing, _check_deploy) else stopped
            mask = subject.client.mask
            yield Finding(name, shows, verdict, mask(found), mask(remedy), monotonic() - begun)
    finally:
        _clean_up(trial)


def _try(check: Callable[[_Trial], str], trial: _Trial) -> tuple[Verdict, str, str]:
    """Run a check; return how it ended, what it found, and what to do."""
    try:
        return Verdict.PASSED, check(trial), ""
    except _SkippedError as error:
        return Verdict.SKIPPED, str(error), ""
    except _NotApplicableError as error:
        return Verdict.NOT_APPLICABLE, str(error), ""
    except _FailedError as error:
        return Verdict.FAILED, str(error), error.remedy
    except RunnerError as error:
        return Verdict.FAILED, error.diagnosis.cause, error.diagnosis.remedy


def _clean_up(trial: _Trial) -> None:
    """Remove what is left after a check that failed, as far as the server lets it."""
    for method, paths in (("DELETE", trial.jobs.values()), ("DELETE", trial.processes.values())):
        for path in paths:
            with suppress(RunnerError):
                trial.ask(method, path)
