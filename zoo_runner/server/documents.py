"""The documents that the server answers with, as types: what OGC API - Processes, Parts 1 and 2, define, and our own.

They are checked by mypy where they are built, and are the schemas of the OpenAPI document.
"""

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict

Status = Literal["created", "accepted", "running", "successful", "failed", "dismissed"]


class Link(TypedDict):
    """A link (link.yaml)."""

    href: str
    rel: str
    type: NotRequired[str]
    title: NotRequired[str]


class LandingPage(TypedDict):
    """The landing page (landingPage.yaml)."""

    title: str
    description: str
    links: list[Link]


class Conformance(TypedDict):
    """The conformance declaration (confClasses.yaml)."""

    conformsTo: list[str]


class SessionInfo(TypedDict):
    """Who sends a request, and by what this is known."""

    title: str
    name: str
    by: str
    workspaces: list[str]
    roles: list[str]


class LoggedOut(TypedDict):
    """A session has ended here; `links` lead to where it ends at the provider too."""

    title: str
    links: list[Link]


class ProcessSummary(TypedDict):
    """A process in a list (processSummary.yaml; `mutable`: Part 2)."""

    id: str
    version: str
    title: NotRequired[str]
    description: NotRequired[str]
    keywords: NotRequired[list[str]]
    metadata: NotRequired[list[dict[str, Any]]]
    jobControlOptions: list[Literal["sync-execute", "async-execute", "dismiss"]]
    outputTransmission: list[Literal["value", "reference"]]
    mutable: bool
    links: list[Link]


class PackageSource(TypedDict):
    """Where a package came from; `href` has neither credentials nor query.

    `names` are those of the files that were sent, or of the WorkflowTemplate. `digest` (SHA-256) is that of the packed
    package. What is said of a repository is the word of who deployed it.
    """

    kind: NotRequired[Literal["address", "repository", "files", "text", "template", "server"]]
    href: NotRequired[str]
    commit: NotRequired[str]
    path: NotRequired[str]
    names: NotRequired[list[str]]
    by: NotRequired[str]
    at: str
    digest: str


class ProcessDescription(ProcessSummary):
    """A process with its inputs and outputs (process.yaml), and where its package came from."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    source: PackageSource


class ProcessList(TypedDict):
    """Deployed processes (processList.yaml)."""

    processes: list[ProcessSummary]
    links: list[Link]


class ProblemAt(TypedDict):
    """One thing that is wrong with a document that a client sent; `pointer` is a JSON pointer (RFC 6901) into it."""

    code: str
    pointer: str
    message: str


class DiagnosisInfo(TypedDict):
    """Why a job failed or a request was refused; codes are in docs/errors.md."""

    code: str
    stage: str
    level: str
    cause: str
    remedy: str
    evidence: NotRequired[list[str]]
    problems: NotRequired[list[ProblemAt]]
    step: NotRequired[str]


class PreflightProblem(TypedDict):
    """One thing that a dry run found; `pointer` is a JSON pointer into the request, or into the packed CWL.

    `document`, `line` and `column` (from 1) are the place in what the author wrote, as far as it is known.
    """

    code: str
    level: Literal["error", "warning"]
    pointer: str
    message: str
    remedy: str
    document: NotRequired[str]
    line: NotRequired[int]
    column: NotRequired[int]


class InputsSize(TypedDict):
    """What an execution would download: files, and bytes as far as they are known."""

    files: int
    knownBytes: int


class Preflight(TypedDict):
    """What a dry run found; `valid`: nothing that was found keeps the request from being accepted and from working."""

    valid: bool
    problems: list[PreflightProblem]
    inputs: NotRequired[InputsSize]


class Problem(TypedDict):
    """An error (exception.yaml, RFC 7807); `jobID` is the job of a request that failed after it was accepted."""

    type: str
    title: str
    status: int
    detail: str
    diagnosis: NotRequired[DiagnosisInfo]
    jobID: NotRequired[str]


class StatusInfo(TypedDict):
    """The status of a job (statusInfo.yaml): the members of version 1.0 and of the draft of 2.0.

    `caller` asked for it; it is in lists, for those who may know.
    """

    jobID: str
    id: str
    type: Literal["process"]
    processingEntityType: Literal["process"]
    processID: str
    status: Status
    message: NotRequired[str]
    caller: NotRequired[str]
    created: str
    started: NotRequired[str]
    finished: NotRequired[str]
    updated: str
    progress: int
    exception: NotRequired[Problem]
    diagnosis: NotRequired[DiagnosisInfo]
    links: list[Link]


class Definition(TypedDict):
    """What a job runs, as it could be sent to create another one (OGC 24-051)."""

    process: str
    inputs: dict[str, Any]
    outputs: NotRequired[dict[str, Any]]
    response: NotRequired[str]
    subscriber: NotRequired[dict[str, Any]]


class JobList(TypedDict):
    """Jobs, newest first (jobList.yaml)."""

    jobs: list[StatusInfo]
    numberTotal: int
    links: list[Link]


class FailureCause(TypedDict):
    """Jobs that ended for one reason: the code of their diagnosis and the step, and the newest of them."""

    code: str
    title: str
    step: NotRequired[str]
    count: int
    newest: str
    cause: NotRequired[str]
    links: list[Link]


class FailureList(TypedDict):
    """The jobs that failed by cause, the most frequent first."""

    failures: list[FailureCause]
    numberTotal: int
    links: list[Link]


class JobOutcome(TypedDict):
    """What came of an action on one of several jobs: its status, the job that was created, or why it was refused."""

    jobID: str
    status: NotRequired[Status]
    newJobID: NotRequired[str]
    problem: NotRequired[Problem]
    links: list[Link]


class JobOutcomes(TypedDict):
    """What came of an action on several jobs, in the order of the request."""

    action: Literal["dismiss", "run-again"]
    jobs: list[JobOutcome]
    numberRefused: int
    links: list[Link]


class ComparedValue(TypedDict):
    """What two jobs have under one name; null where one of them has nothing there."""

    name: str
    a: Any
    b: Any
    same: bool


class Comparison(TypedDict):
    """Two jobs side by side. Parts that the client may not read are left out, and packages that are the same."""

    a: str
    b: str
    facts: list[ComparedValue]
    steps: list[ComparedValue]
    package: NotRequired[list[ComparedValue]]
    inputs: NotRequired[list[ComparedValue]]
    results: NotRequired[list[ComparedValue]]
    links: list[Link]


class SharedLink(TypedDict):
    """A link that gives everyone one file of results until it expires."""

    href: str
    jobID: str
    path: str
    expires: str
    links: list[Link]


class CatalogItem(TypedDict):
    """A STAC Item of a catalog; `href` is how an input refers to it."""

    id: str
    href: str
    datetime: str
    collection: NotRequired[str]
    bbox: NotRequired[list[float]]
    geometry: NotRequired[dict[str, Any]]


class CatalogItems(TypedDict):
    """What a search in a STAC catalog found."""

    catalog: str
    items: list[CatalogItem]
    links: list[Link]


class InputUse(TypedDict):
    """An input of a process that takes a file or a STAC document.

    `pointer` is the member of the input that does, where it is a record or a list of records. `inputs` are those of an
    execute request with the file there.
    """

    processID: str
    title: NotRequired[str]
    input: str
    inputTitle: NotRequired[str]
    pointer: NotRequired[str]
    inputs: dict[str, Any]
    links: list[Link]


class InputUses(TypedDict):
    """The inputs that take a file: those that name its media type come first."""

    href: str
    type: NotRequired[str]
    uses: list[InputUse]
    links: list[Link]


class Used(TypedDict):
    """What is used of a quota, and its limit, if there is one."""

    used: float
    most: NotRequired[float]


class StoredSize(TypedDict):
    """What the results of a job take, and since when."""

    jobID: str
    sizeMiB: float
    stored: str


class Usage(TypedDict):
    """What a workspace uses and may use."""

    runningJobs: Used
    queuedJobs: Used
    resultsMiB: Used
    largestResults: list[StoredSize]
    cores: Used
    memoryMiB: Used
    retentionDays: NotRequired[float]
    resultsRetentionDays: NotRequired[float]
    links: list[Link]


class WorkspaceLoad(TypedDict):
    """What a workspace has in the queue and at work; cores and MiB as far as they are known."""

    workspace: str
    running: int
    waiting: int
    cores: float
    memoryMiB: float
    links: list[Link]


class WorkerLoad(TypedDict):
    """How many jobs a worker has now."""

    worker: str
    jobs: int


class Operations(TypedDict):
    """What the installation does: its queue, the workers that have jobs now, and the workspaces that have any."""

    waiting: int
    running: int
    oldestWaitingSeconds: float
    workers: list[WorkerLoad]
    workspaces: list[WorkspaceLoad]
    links: list[Link]


class PersonLoad(TypedDict):
    """The jobs that somebody asked for in a workspace."""

    caller: str
    workspace: str
    jobs: int
    running: int
    waiting: int
    failed: int
    newest: str
    links: list[Link]


class People(TypedDict):
    """Who asked for jobs, and how many: who has the newest first."""

    people: list[PersonLoad]
    links: list[Link]


class EngineCheck(TypedDict):
    """A finding of `doctor`."""

    ok: bool
    about: str
    found: str
    expected: str
    remedy: NotRequired[str]
    code: NotRequired[str]
    level: str


class EngineChecks(TypedDict):
    """What `doctor` finds of the engine and the protections of an installation."""

    engine: str
    ok: bool
    checks: list[EngineCheck]
    links: list[Link]


class LogList(TypedDict):
    """The logs of a job."""

    links: list[Link]


class TokenInfo(TypedDict):
    """A personal token, without its text."""

    id: str
    title: str
    owner: str
    scopes: list[str]
    created: str
    expires: str


class MadeToken(TokenInfo):
    """A personal token that was made now, with its text, which is shown this once."""

    token: str


class TokenList(TypedDict):
    """The personal tokens of a caller in a workspace."""

    tokens: list[TokenInfo]
    links: list[Link]


class SecretInfo(TypedDict):
    """A secret of a workspace: its name, and when and by whom it was set; nobody gets its value."""

    name: str
    changed: str
    caller: NotRequired[str]


class SecretList(TypedDict):
    """The secrets of a workspace."""

    secrets: list[SecretInfo]
    links: list[Link]


class UploadedFileInfo(TypedDict):
    """A file that was sent; `href` is how inputs refer to it, `size` in bytes."""

    name: str
    href: str
    type: str
    size: int


class UploadInfo(TypedDict):
    """Files that were sent at once, and until when inputs may refer to them."""

    id: str
    created: str
    expires: str
    files: list[UploadedFileInfo]
    links: list[Link]


class Health(TypedDict):
    """Whether the server can do its work (draft-inadarei-api-health-check)."""

    status: Literal["pass", "fail"]
    checks: dict[str, list[dict[str, Any]]]
