"""The choices of the page of jobs, which lie in its address; pure."""

from dataclasses import dataclass, field

from zoo_runner.model import clock
from zoo_runner.model.job import Status
from zoo_runner.server.pages.maps import MapView

_PERIODS = (("the last hour", 3600), ("the last 24 hours", 86400), ("the last 7 days", 604800))
_DURATIONS = (("over a minute", "60"), ("over 10 minutes", "600"), ("over an hour", "3600"), ("over a day", "86400"))
OWN = ("status", "processID", "q", "datetime", "minDuration", "code", "step", "caller")
"""The parameters that the form of the page has."""


@dataclass(frozen=True)
class Option:
    """A choice of a list."""

    value: str
    title: str
    is_chosen: bool


@dataclass(frozen=True)
class JobFilters:
    """The choices of the form, what they are now, and the parameters that it has no field for and keeps."""

    statuses: tuple[Option, ...]
    periods: tuple[Option, ...]
    durations: tuple[Option, ...]
    kept: tuple[tuple[str, str], ...]
    is_narrowed: bool


@dataclass(frozen=True)
class JobListPage:
    """What the page of jobs shows beside the list: the form that narrows it, and where the jobs are.

    `may_choose` says whether the client may act on several jobs at once, `shows_callers` whether it may know who asked
    for them, and somebody is known.
    """

    filters: JobFilters
    map: MapView = field(default_factory=MapView)
    may_choose: bool = False
    shows_callers: bool = False


def build_filters(query: tuple[tuple[str, str], ...]) -> JobFilters:
    """Build the choices from the parameters of a request."""
    asked = dict(query)
    chosen = {word for name, value in query if name == "status" for word in value.split(",")}
    statuses = tuple(Option(one.value, one.value, one.value in chosen) for one in Status)
    begins = [(f"{clock.after(-seconds)[:16]}:00Z/..", title) for title, seconds in _PERIODS]
    kept = tuple((name, value) for name, value in query if name not in (*OWN, "cursor", "skip", "f"))
    return JobFilters(
        statuses,
        _build_options(begins, asked.get("datetime", ""), "at any time"),
        _build_options(
            [(value, title) for title, value in _DURATIONS], asked.get("minDuration", ""), "of any duration"
        ),
        kept,
        any(asked.get(name) for name in OWN),
    )


def _name(asked: str) -> str:
    """Name an interval that begins somewhere and has no end; any other choice is its own name."""
    start, dots, rest = asked.partition("/..")
    return f"since {start.rstrip('Z').replace('T', ' ')} UTC" if dots and start and not rest else asked


def _build_options(known: list[tuple[str, str]], asked: str, nothing: str) -> tuple[Option, ...]:
    options = [Option("", nothing, not asked)]
    if asked and asked not in dict(known):
        options.append(Option(asked, _name(asked), True))
    return (*options, *(Option(value, title, value == asked) for value, title in known))
