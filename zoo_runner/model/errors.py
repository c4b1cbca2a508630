"""The error tree: each failure says what happened, at which level, and what to do.

    RunnerError
    ├── SettingsError       a setting is missing or invalid              exit 2
    ├── PackageError        the application package cannot be used      exit 3
    │   └── InvalidPackageError  its documents are not CWL
    ├── InputError          the inputs do not fit the package           exit 4
    ├── StageInError        an input could not be staged in             exit 5
    ├── ToolError           a step of the package failed                exit 6
    ├── EngineError         the engine could not do its part            exit 7
    ├── StageOutError       the results could not be stored             exit 8
    ├── TimeLimitError      the job took longer than allowed            exit 9
    ├── DismissedError      the job was cancelled                       exit 10
    ├── JobNotFoundError    no job with this id exists here             exit 11
    ├── JobBusyError        another process works on the job            exit 7
    ├── JobExistsError      a job with this id exists already           exit 2
    ├── JobChangedError     another process changed the job meanwhile   exit 7
    ├── ProcessNotFoundError  no process with this id is deployed       exit 11
    └── ProcessExistsError  a process with this id is deployed already  exit 2

Exit 0 is success, 1 an internal error of the runner, 2 also a wrong command line.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from zoo_runner.model.codes import CODES
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.problems import Problem

_Error = TypeVar("_Error", bound="RunnerError")


class RunnerError(Exception):
    """Base of all errors that a user may see. A subclass fixes stage, usual code, HTTP status and exit code.

    `code` is one of `model.codes`; the level is the code's unless `level` says otherwise.
    """

    stage: ClassVar[Stage]
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
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(cause)
        code = code or self.default_code
        # an entry point of somebody else's may have codes of its own
        level = level or CODES.get(code, CODES[self.default_code]).level
        self.diagnosis = Diagnosis(self.stage, level, cause, remedy, evidence, step, code=code, problems=problems)

    @classmethod
    def restore(cls: type[_Error], diagnosis: Diagnosis) -> _Error:
        """Make the error again of which another process sent the diagnosis."""
        error = cls(diagnosis.cause, diagnosis.remedy)
        error.diagnosis = diagnosis
        return error

    def move_to(self: _Error, stage: Stage) -> _Error:
        """Return this error with another stage, where what ended a job says nothing of when it did."""
        self.diagnosis = replace(self.diagnosis, stage=stage)
        return self


class SettingsError(RunnerError):
    """A setting is missing or invalid."""

    stage = Stage.SETTINGS
    default_code = "settings.invalid"
    exit_code = 2


class UserSettingsError(SettingsError):
    """A setting of the user's own is missing or invalid, and theirs to correct."""

    def __init__(self, cause: str, remedy: str, *, evidence: tuple[str, ...] = (), code: str | None = None) -> None:
        super().__init__(cause, remedy, evidence=evidence, level=Level.USER, code=code)


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
    """A document of the package is not valid CWL; `faults` says where, as far as it is known."""

    def __init__(
        self, cause: str, remedy: str, faults: tuple[Fault, ...] = (), evidence: tuple[str, ...] = (), code: str = ""
    ) -> None:
        super().__init__(cause, remedy, evidence=evidence, code=code or self.default_code)
        self.faults = faults


class InputError(RunnerError):
    """The inputs do not fit the package; `problems` lists each."""

    stage = Stage.INPUTS
    default_code = "inputs.invalid"
    http_status = 400
    exit_code = 4


class StageInError(RunnerError):
    """An input could not be staged in."""

    stage = Stage.STAGE_IN
    default_code = "source.failed"
    exit_code = 5


class ToolError(RunnerError):
    """A step of the package failed, or did not write its outputs."""

    stage = Stage.EXECUTE
    default_code = "step.failed"
    exit_code = 6


class EngineError(RunnerError):
    """The engine could not do its part."""

    stage = Stage.EXECUTE
    default_code = "engine.failed"
    exit_code = 7


class NotReachedError(EngineError):
    """The engine, or the store, could not be asked about a job, which may still run."""

    default_code = "engine.unreachable"


class StageOutError(RunnerError):
    """The results could not be stored."""

    stage = Stage.STAGE_OUT
    default_code = "destination.failed"
    exit_code = 8


class TimeLimitError(RunnerError):
    """The job took longer than allowed."""

    stage = Stage.EXECUTE
    default_code = "job.time-limit"
    exit_code = 9


class DismissedError(RunnerError):
    """The job was cancelled."""

    stage = Stage.EXECUTE
    default_code = "job.dismissed"
    exit_code = 10


class JobNotFoundError(RunnerError):
    """No job with this id exists here."""

    stage = Stage.SETTINGS
    default_code = "job.not-found"
    http_status = 404
    exit_code = 11


class JobExistsError(RunnerError):
    """A job with this id exists already."""

    stage = Stage.SETTINGS
    default_code = "job.exists"
    http_status = 409
    exit_code = 2


class JobBusyError(EngineError):
    """Another process works on the job."""

    default_code = "job.busy"
    http_status = 409


class JobChangedError(EngineError):
    """Another process changed the job at the same time."""

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
