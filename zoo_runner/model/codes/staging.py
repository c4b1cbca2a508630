"""The codes of moving data, which the stagers give as kinds, and of disks."""

from collections.abc import Iterable

from zoo_runner.model.codes.code import Code
from zoo_runner.model.diagnosis import Level

_U, _E, _P = Level.USER, Level.ENGINE, Level.PLATFORM

# the kinds of the stagers' errors (zoo_staging.errors.Kind): level, what happened, remedy
_STAGING = (
    ("not-found", _U, "does not exist", "Check the address."),
    ("forbidden", _U, "may not be accessed, or needs a login", "Check the credentials and their permissions."),
    ("unreachable", _P, "cannot be reached", "Check the address, the network and that the service runs."),
    ("timeout", _P, "did not answer in time", "Try again later."),
    ("untrusted", _P, "has a certificate that is not trusted", "Install its authority, or ask its operator."),
    ("checksum", _U, "does not match its checksum", "Replace the damaged file at its source."),
    ("size", _U, "does not have the size that was announced", "Try again; else replace the file at its source."),
    ("content", _U, "is not what was announced, such as an error page", "Open the address in a browser."),
    ("stac-invalid", _U, "is not valid STAC", "Correct the document shown."),
    ("refused", _U, "is not allowed by a rule on addresses, folders or sizes", "Use data that the rule allows."),
    ("unsupported", _U, "has a scheme or form that is not supported", "Use one of those shown."),
    ("service-error", _P, "is on a service that answered with an error", "Try again later; else ask its operator."),
)
DISK = (
    Code("disk.full", _P, "A disk is full.", "Free space, or use a larger disk."),
    Code("disk.failed", _P, "A disk cannot be read or written.", "Check the folder and its permissions."),
)


def _list_staging(about: str, subject: str) -> Iterable[Code]:
    """The codes of one side of staging."""
    for kind, level, what, remedy in _STAGING:
        # stored results can be damaged only in transfer, which is not the user's fault
        damaged = about == "destination" and kind in ("checksum", "size")
        yield Code(f"{about}.{kind}", _P if damaged else level, f"{subject} {what}.", remedy)


STAGING = (
    Code("source.failed", _U, "An input could not be staged in.", "Check the address shown."),
    *_list_staging("source", "An input"),
    *_list_staging("output", "An output of the package"),
    Code(
        "destination.missing", _P, "The folder of results is not there at the moment.", "Mount it, or create it empty."
    ),
    Code("destination.failed", _U, "The results could not be stored.", "Check the destination shown."),
    *_list_staging("destination", "The place of the results"),
)
