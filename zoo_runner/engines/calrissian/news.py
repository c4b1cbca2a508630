"""What a follower hears of a job, from several threads, as values in one queue."""

from collections.abc import Callable
from dataclasses import dataclass

from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.model.errors import RunnerError


@dataclass(frozen=True)
class PodChange:
    """A pod is there, has changed or is gone."""

    change: str
    pod: Manifest


@dataclass(frozen=True)
class ClusterEvent:
    """Kubernetes reports something of an object of the job."""

    event: Manifest


@dataclass(frozen=True)
class Line:
    """The log of the job pod has one more line."""

    text: str


@dataclass(frozen=True)
class LogOver:
    """The log of the job pod has no more lines."""


@dataclass(frozen=True)
class Broken:
    """Pods cannot be watched any more."""

    error: RunnerError


@dataclass(frozen=True)
class Late:
    """A deadline has passed; `still` says whether what it was for still holds."""

    error: RunnerError
    still: Callable[[], bool]


@dataclass(frozen=True)
class Settled:
    """Nothing is gained by keeping the pod from its volume any longer."""


@dataclass(frozen=True)
class Stop:
    """The job is to be stopped."""
