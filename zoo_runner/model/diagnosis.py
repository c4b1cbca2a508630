"""Why a job failed, as plain data: at which stage, at which level, by what cause, and what to do."""

from dataclasses import dataclass
from enum import Enum


class Stage(str, Enum):
    """Where in a job's life something happened."""

    __str__ = str.__str__

    SETTINGS = "settings"
    PACKAGE = "package"
    INPUTS = "inputs"
    STAGE_IN = "stage-in"
    EXECUTE = "execute"
    STAGE_OUT = "stage-out"


class Level(str, Enum):
    """Whose move is next: the author or caller, the engine's operator, or the platform's (cluster, network, stores)."""

    __str__ = str.__str__

    USER = "user"
    ENGINE = "engine"
    PLATFORM = "platform"


@dataclass(frozen=True)
class Diagnosis:
    """Why a job failed, as plain data.

    `cause` is one sentence with the value that caused it; `evidence` the few lines that show it; `remedy` what
    to do next; `step` the workflow step where known; `log` the path or URL of the whole log; `code` is one of
    `model.codes`, stable and for programs.
    """

    stage: Stage
    level: Level
    cause: str
    remedy: str
    evidence: tuple[str, ...] = ()
    step: str | None = None
    log: str | None = None
    code: str = "runner.defect"
