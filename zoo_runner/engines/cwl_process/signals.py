"""What the exit code of a program means, and what to do; pure.

Source: signal(7), "Standard signals"; POSIX.1-2017, Shell Command Language, 2.8.2: such an exit code is above 128. In
practice it is 128 and the number of the signal, in shells as in podman, docker and Kubernetes.
"""

import signal
from dataclasses import dataclass
from typing import overload

_ABOVE = 128
KILLED = _ABOVE + signal.SIGKILL
"""The exit code of a program that was killed: for lack of memory, or by somebody."""
TERMINATED = _ABOVE + signal.SIGTERM
"""The exit code of a program that was asked to end, and did."""


@dataclass(frozen=True)
class ExplainedExit:
    """How a program ended: what happened (after its name in a sentence), what to do, and the code of it."""

    what: str
    remedy: str
    code: str = "step.crashed"


_OWN_REMEDY = "Read the step's log: the tool reported this failure. Correct its inputs, or ask the package's author."
_BY_SIGNAL = {
    signal.SIGILL: "The program uses instructions that this processor does not have: use an image built for it, or"
    " another machine.",
    signal.SIGTRAP: "The program stopped at a trap of its own: send the step's log to its author.",
    signal.SIGABRT: "The program aborted itself: read its last lines. If they mention memory, raise ramMin; otherwise"
    " send the log to its author.",
    signal.SIGBUS: "The program lost memory that it had, for example because shared memory (/dev/shm) or the disk below"
    " a mapped file is full: give it more of it, or less data.",
    signal.SIGFPE: "The program made an invalid calculation, such as a division by zero: look for empty or unusual"
    " values in its inputs.",
    signal.SIGSEGV: "The program accessed invalid memory: try another version of its image, or send the step's log and"
    " inputs to its author.",
    signal.SIGSYS: "The program made a system call that its container does not allow: ask its author, or the operator"
    " who limits what containers may do.",
}
FILE_REMEDY = (
    "Let the tool write smaller files; or ask the operator for a higher limit (ZOO_RUNNER_SCRATCH_MAX_BYTES, or that of"
    " the container)."
)
"""What to do about a file above the limit of its process."""
_TERMINATED = "Run the job again. If it always ends so, something in the step sends the signal, such as `timeout`."


@overload
def as_exit_code(returned: int) -> int: ...
@overload
def as_exit_code(returned: int | None) -> int | None: ...
def as_exit_code(returned: int | None) -> int | None:
    """Return the exit code of a process as shells report it; Python has the negative number of a signal."""
    return _ABOVE - returned if returned is not None and returned < 0 else returned


def explain_exit_code(exit_code: int) -> ExplainedExit:
    """Explain how a program ended that failed.

    A code above 128 that stands for a signal which programs seldom end by is taken as the program's own.
    """
    number = exit_code - _ABOVE
    if number == signal.SIGTERM:
        return ExplainedExit(f"was terminated: SIGTERM (exit code {exit_code})", _TERMINATED, "step.terminated")
    if number == signal.SIGXFSZ:
        return ExplainedExit(f"wrote too large a file: SIGXFSZ (exit code {exit_code})", FILE_REMEDY, "step.file-limit")
    if number in _BY_SIGNAL:
        named = signal.Signals(number)
        return ExplainedExit(f"crashed: {named.name} (exit code {exit_code})", _BY_SIGNAL[named])
    return ExplainedExit(f"ended with exit code {exit_code}", _OWN_REMEDY, "step.exit-code")


def is_of_shell(line: str, exit_code: int) -> bool:
    """Whether a line of a program that a signal ended is what its shell printed about it (`Segmentation fault`)."""
    number = exit_code - _ABOVE
    common = signal.strsignal(number) if number in (*_BY_SIGNAL, signal.SIGTERM, signal.SIGXFSZ) else None
    return common is not None and line.strip().removesuffix("(core dumped)").rstrip().endswith(common)
