"""The parameters of queries, as FastAPI reads and describes them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query

from zoo_runner.model.audit import SINCE

Limit = Annotated[int, Query(ge=1, le=1000, description="Most entries of a page.")]
Cursor = Annotated[str | None, Query(description="From the `next` link of the page before.")]
Workflow = Annotated[str | None, Query(alias="w", description="Id of the workflow, where a document has several.")]
DRY_RUNS = ("dryRun", "dry-run")
"""Names of the parameter of a dry run: ours, and that of OGC API - Styles, to which the standard's authors point."""
_DRY_RUN = "Find out what would fail, and create nothing."


async def read_dry_run(
    ours: Annotated[bool, Query(alias=DRY_RUNS[0], description=_DRY_RUN)] = False,
    theirs: Annotated[bool, Query(alias=DRY_RUNS[1], description=f"The same as {DRY_RUNS[0]}.")] = False,
) -> bool:
    """Whether only what would fail is to be found out; a dependency of FastAPI."""
    return ours or theirs


DryRun = Annotated[bool, Depends(read_dry_run)]
Seconds = Annotated[float | None, Query(ge=0, le=1e9)]
Follow = Annotated[bool, Query(description="Go on as the log grows, until the job has ended.")]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="The number of the last event that is known.")]
LogName = Annotated[
    str | None, Query(max_length=300, description="A log: an event `log` has its size, whenever it has grown.")
]
Number = Annotated[int, Path(ge=0, le=2**31 - 1, description="Which value of the output, from 0.")]
Since = Annotated[
    str | None,
    Query(pattern=SINCE, description="From this time on."),
]
TwoJobs = Annotated[
    list[str], Query(alias="job", min_length=2, max_length=2, description="The ids of two jobs: the parameter twice.")
]
Catalog = Annotated[
    str, Query(max_length=2000, description="A STAC API or catalog; empty: the first of ZOO_RUNNER_CATALOGS.")
]
Interval = Annotated[
    str,
    Query(
        alias="datetime",
        pattern=r"^$|^(\.\.|[\dTZ:.+-]{4,40})(/(\.\.|[\dTZ:.+-]{4,40}))?$",
        description="Time or interval of the Items.",
    ),
]
Collections = Annotated[str, Query(max_length=500, description="Ids of collections, separated by commas.")]
FewItems = Annotated[int, Query(ge=1, le=100, description="Most Items.")]
BoxWanted = Annotated[str, Query(alias="bbox", max_length=200, description="west,south,east,north in degrees.")]
Href = Annotated[str, Query(max_length=4000, description="The address of the file.")]
MediaType = Annotated[str, Query(alias="type", max_length=200, description="Its media type; empty: of any.")]
BoxText = Annotated[str | None, Query(description="west,south,east,north in degrees.", max_length=200)]
_SEVERAL = "One or more, repeated or separated by commas."
_TEXT = "Part of an id, a title, a message, a cause of a failure or its code, or a value of inputs."
_DURATION = "From the start to the end, or to now, in seconds."


@dataclass(frozen=True)
class JobParameters:
    """What narrows a list of jobs (OGC 18-062r2, section 11.3), and which part of it is wanted."""

    limit: Limit = 100
    skip: Annotated[int, Query(ge=0, le=10**9, description="Leave out so many of the newest.")] = 0
    cursor: Cursor = None
    kinds: Annotated[list[str], Query(alias="type", description="Only `process`.")] = ()  # type: ignore[assignment]
    process_ids: Annotated[list[str], Query(alias="processID", description=_SEVERAL)] = ()  # type: ignore[assignment]
    statuses: Annotated[list[str], Query(alias="status", description=_SEVERAL)] = ()  # type: ignore[assignment]
    datetime: Annotated[str | None, Query(description="Instant or interval of `created`.")] = None
    min_duration: Annotated[Seconds, Query(alias="minDuration", description=_DURATION)] = None
    max_duration: Annotated[Seconds, Query(alias="maxDuration", description=_DURATION)] = None
    text: Annotated[str | None, Query(alias="q", max_length=200, description=_TEXT)] = None
    caller: Annotated[str | None, Query(max_length=200, description="Who asked for them, by name.")] = None
    codes: Annotated[list[str], Query(alias="code", description="Codes of a diagnosis, as `status`.")] = ()  # type: ignore[assignment]
    steps: Annotated[list[str], Query(alias="step", max_length=20, description="Steps of a diagnosis, repeated.")] = ()  # type: ignore[assignment]
