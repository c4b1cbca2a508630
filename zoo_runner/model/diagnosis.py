"""Why a job failed, as plain data: stage, level, cause, and what to do."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from zoo_runner.model.problems import Problem


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
    """Who can act: the user (author or client), the engine's operator, or the platform (cluster, network, stores)."""

    __str__ = str.__str__

    USER = "user"
    ENGINE = "engine"
    PLATFORM = "platform"


@dataclass(frozen=True)
class Diagnosis:
    """Why a job failed, as plain data.

    `cause` is one sentence with the value that caused it; `evidence` the few lines that show it; `remedy` what
    to do next; `step` the workflow step where known; `log` the path or URL of the whole log; `code` is one of
    `model.codes`, stable and for programs; `problems` lists all causes, where one failure has several.
    """

    stage: Stage
    level: Level
    cause: str
    remedy: str
    evidence: tuple[str, ...] = ()
    step: str | None = None
    log: str | None = None
    code: str = "runner.defect"
    problems: tuple[Problem, ...] = ()

    def masked(self, mask: Callable[[str], str]) -> "Diagnosis":
        """Return the diagnosis with every text that could hold a secret passed through `mask`."""
        return replace(
            self,
            cause=mask(self.cause),
            remedy=mask(self.remedy),
            evidence=tuple(map(mask, self.evidence)),
            step=mask(self.step) if self.step else self.step,
            problems=tuple(
                replace(one, path=mask(one.path), pointer=mask(one.pointer), message=mask(one.message))
                for one in self.problems
            ),
        )
