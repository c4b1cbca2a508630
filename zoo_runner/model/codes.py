"""Every diagnosis has one of these codes; a code never changes its meaning, its words may.

Codes have the form `<about>.<what>`: the part before the dot says where to look (`settings`, `package`, `inputs`,
`source`, `destination`, `image`, `step`, `engine`, `cluster`, `job`, `process`, `request`, `store`, `runner`).
"""

from dataclasses import dataclass

from zoo_runner.model.diagnosis import Level

_U, _E, _P = Level.USER, Level.ENGINE, Level.PLATFORM


@dataclass(frozen=True)
class Code:
    """A code with its usual level, what it means and what to do, as docs/errors.md lists it."""

    name: str
    level: Level
    meaning: str
    remedy: str


_SETTINGS = (
    Code("settings.invalid", _E, "A setting is missing or has an invalid value.", "Correct the setting shown."),
    Code(
        "settings.extra-missing",
        _U,
        "An optional Python package is not installed.",
        "Install the extra shown: pip install 'zoo-runner[NAME]'.",
    ),
)
_PACKAGE = (
    Code("package.invalid", _U, "The application package cannot be read, resolved or run.", "Correct the package."),
)
_INPUTS = (Code("inputs.invalid", _U, "The inputs do not fit the package.", "Correct the inputs shown."),)
_SOURCE = (Code("source.failed", _U, "An input could not be staged in.", "Check the address shown."),)
_DESTINATION = (Code("destination.failed", _U, "The results could not be stored.", "Check the destination shown."),)
_STEP = (Code("step.failed", _U, "A step of the package failed.", "Read the log of the step."),)
_ENGINE = (
    Code("engine.failed", _E, "The engine could not do its part.", "Read the job log; ask the operator."),
    Code("engine.unreachable", _P, "The engine could not be asked about the job.", "Try again later."),
)
_JOB = (
    Code("job.time-limit", _U, "The job took longer than allowed.", "Raise the time limit, or reduce the work."),
    Code("job.dismissed", _U, "The job was cancelled.", "Run it again when its results are wanted."),
    Code("job.not-found", _U, "No job with this id exists here.", "Check the id."),
    Code("job.lost", _E, "The process that ran the job ended before the job did.", "Run the job again."),
    Code("job.exists", _U, "A job with this id exists already.", "Choose another id, or leave it out."),
)
_PROCESS = (
    Code("process.not-found", _U, "No process with this id is deployed here.", "Check the id."),
    Code("process.exists", _U, "A process with this id is deployed already.", "Replace it, or choose another id."),
)
_REQUEST = (Code("request.cursor", _U, "The cursor of a list is invalid.", "Follow the `next` link of a page."),)
_STORE = (
    Code("store.unreachable", _P, "The database did not answer.", "Try again later; ask the operator."),
    Code("store.newer", _E, "The database belongs to a newer release.", "Upgrade this installation."),
)
_CHANGED = (Code("job.changed", _E, "Another process changed the job at the same time.", "Try again."),)
_RUNNER = (Code("runner.defect", _E, "An internal error of the runner.", "Report it with the job log."),)

CODES = {
    code.name: code
    for code in (
        *_SETTINGS,
        *_PACKAGE,
        *_INPUTS,
        *_SOURCE,
        *_DESTINATION,
        *_STEP,
        *_ENGINE,
        *_JOB,
        *_PROCESS,
        *_REQUEST,
        *_STORE,
        *_CHANGED,
        *_RUNNER,
    )
}
"""All codes by name."""
