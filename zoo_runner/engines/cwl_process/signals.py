"""What the exit code of a program that a signal ended says, and whose move it makes next; pure.

Source: signal(7), "Standard signals"; POSIX.1-2017, Shell Command Language, 2.8.2: such an exit code is above 128. In
practice it is 128 and the number of the signal, in shells as in podman, docker and Kubernetes.
"""

import signal

_ABOVE = 128
KILLED = _ABOVE + signal.SIGKILL
"""The exit code of a program that was killed: for want of memory, or by somebody."""

_CRASHED = "crashed"
_OWN_REMEDY = "Read the step's log; the tool reported the failure, so the package's author or its inputs are next."
_SPEAKS = {
    signal.SIGILL: (
        _CRASHED,
        "The program has instructions that this processor does not know: use an image that is built for it, or another"
        " machine.",
    ),
    signal.SIGTRAP: (_CRASHED, "The program ran into a trap of its own: its author is next, with the step's log."),
    signal.SIGABRT: (
        _CRASHED,
        "The program gave up by itself: its last words say why. Where they speak of memory, raise ramMin; else its"
        " author is next.",
    ),
    signal.SIGBUS: (
        _CRASHED,
        "The program lost memory that it had, as it does when shared memory (/dev/shm) or the disk below a mapped file"
        " is full: give it more of it, or less data; else its author is next.",
    ),
    signal.SIGFPE: (
        _CRASHED,
        "The program calculated what cannot be, such as a division by zero: look for empty or odd values in its"
        " inputs; else its author is next.",
    ),
    signal.SIGSEGV: (
        _CRASHED,
        "The program touched memory that is not its own: its author is next, with the step's log and inputs; another"
        " version of its image may do.",
    ),
    signal.SIGSYS: (
        _CRASHED,
        "The program asked the system for what its container refuses: its author is next, or the operator who limits"
        " what containers may ask for.",
    ),
    signal.SIGTERM: (
        "was told to end",
        "Run the job again; where it always ends so, something in the step itself sends the signal, such as `timeout`,"
        " and the package's author is next.",
    ),
}


def as_exit_code(returned: int | None) -> int | None:
    """The exit code of a process as every shell tells it; Python has the negative number of a signal."""
    return _ABOVE - returned if returned is not None and returned < 0 else returned


def explain_exit_code(exit_code: int) -> tuple[str, str]:
    """Say how a program ended that failed, and the remedy.

    A code that is above 128 by a signal which programs seldom end by is taken for the program's own.
    """
    number = exit_code - _ABOVE
    if number not in _SPEAKS:
        return f"ended with exit code {exit_code}", _OWN_REMEDY
    what, remedy = _SPEAKS[signal.Signals(number)]
    return f"{what}: {signal.Signals(number).name} (exit code {exit_code})", remedy


def is_of_shell(line: str, exit_code: int) -> bool:
    """Whether a line of a program that a signal ended is what its shell said of that (`Segmentation fault`)."""
    common = signal.strsignal(exit_code - _ABOVE) if exit_code - _ABOVE in _SPEAKS else None
    return common is not None and line.strip().removesuffix("(core dumped)").rstrip().endswith(common)
