"""The error tree: each failure says what happened, at which level, and whose move is next.

    RunnerError
    ├── SettingsError       a setting cannot be used                     exit 2
    ├── PackageError        the application package cannot be used      exit 3
    │   └── InvalidPackageError  its documents are not CWL
    ├── InputError          the inputs do not fit the package           exit 4
    ├── StageInError        a source could not be brought here          exit 5
    ├── ToolError           a step of the package failed                exit 6
    ├── EngineError         the engine could not do its part            exit 7
    ├── StageOutError       the results could not be put away           exit 8
    ├── TimeLimitError      the job took longer than allowed            exit 9
    ├── DismissedError      somebody cancelled the job                  exit 10
    ├── JobNotFoundError    no job of that id is known here             exit 11
    ├── JobExistsError      a job of that id exists already             exit 2
    ├── JobChangedError     somebody else changed the job meanwhile     exit 7
    ├── ProcessNotFoundError  no process of that id is deployed         exit 11
    └── ProcessExistsError  a process of that id is deployed already    exit 2

Exit 0 is success, 1 a defect of the runner itself, 2 also a wrong command line.
"""

from dataclasses import dataclass
from typing import ClassVar

from zoo_runner.model.diagnosis import Diagnosis, Level, Stage


class RunnerError(Exception):
    """Base of all errors that a user may see. A subclass fixes stage, default level, HTTP status and exit code."""

    stage: ClassVar[Stage]
    default_level: ClassVar[Level] = Level.USER
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "runner.defect"

    def __init__(
        self,
        cause: str,
        remedy: str,
        *,
        evidence: tuple[str, ...] = (),
        level: Level | None = None,
        step: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(cause)
        level = level or self.default_level
        self.diagnosis = Diagnosis(self.stage, level, cause, remedy, evidence, step, code=code or self.default_code)


class SettingsError(RunnerError):
    """A setting is missing or cannot be used."""

    stage = Stage.SETTINGS
    default_code = "settings.invalid"
    default_level = Level.ENGINE
    exit_code = 2


class PackageError(RunnerError):
    """The application package cannot be read, resolved or run."""

    stage = Stage.PACKAGE
    default_code = "package.invalid"
    http_status = 400
    exit_code = 3


@dataclass(frozen=True)
class Fault:
    """One place where a document is not CWL: the document's URI, line and column (from 1; None: not known)."""

    uri: str
    message: str
    line: int | None = None
    column: int | None = None


class InvalidPackageError(PackageError):
    """The package's documents are not CWL; `faults` says where, as far as it is known."""

    def __init__(self, cause: str, remedy: str, faults: tuple[Fault, ...], evidence: tuple[str, ...] = ()) -> None:
        super().__init__(cause, remedy, evidence=evidence)
        self.faults = faults


class InputError(RunnerError):
    """The inputs do not fit the package; `evidence` has one line per problem."""

    stage = Stage.INPUTS
    default_code = "inputs.invalid"
    http_status = 400
    exit_code = 4


class StageInError(RunnerError):
    """A source could not be brought to the job."""

    stage = Stage.STAGE_IN
    default_code = "source.failed"
    exit_code = 5


class ToolError(RunnerError):
    """A step of the package failed, or did not yield what it promised."""

    stage = Stage.EXECUTE
    default_code = "step.failed"
    exit_code = 6


class EngineError(RunnerError):
    """The engine could not do its part."""

    stage = Stage.EXECUTE
    default_code = "engine.failed"
    default_level = Level.ENGINE
    exit_code = 7


class NotReachedError(EngineError):
    """The engine could not be asked about a job, which may go on all the same."""

    default_code = "engine.unreachable"


class StageOutError(RunnerError):
    """The results could not be put away."""

    stage = Stage.STAGE_OUT
    default_code = "destination.failed"
    exit_code = 8


class TimeLimitError(RunnerError):
    """The job took longer than allowed."""

    stage = Stage.EXECUTE
    default_code = "job.time-limit"
    exit_code = 9


class DismissedError(RunnerError):
    """Somebody cancelled the job."""

    stage = Stage.EXECUTE
    default_code = "job.dismissed"
    exit_code = 10


class JobNotFoundError(RunnerError):
    """No job of that id is known here."""

    stage = Stage.SETTINGS
    default_code = "job.not-found"
    http_status = 404
    exit_code = 11


class JobExistsError(RunnerError):
    """A job of that id exists already."""

    stage = Stage.SETTINGS
    default_code = "job.exists"
    http_status = 409
    exit_code = 2


class JobChangedError(EngineError):
    """Somebody else stored a change of the job meanwhile."""

    default_code = "job.changed"
    http_status = 409


class ProcessNotFoundError(RunnerError):
    """No process of that id is deployed in the workspace."""

    stage = Stage.PACKAGE
    default_code = "process.not-found"
    http_status = 404
    exit_code = 11


class ProcessExistsError(RunnerError):
    """A process of that id is deployed in the workspace already."""

    stage = Stage.PACKAGE
    default_code = "process.exists"
    http_status = 409
    exit_code = 2
