"""Times, durations and amounts, as people read them; pure."""

from datetime import datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def show_time(time: str) -> str:
    """Show a stored time to the second, in UTC: `2026-01-31 12:00:00 UTC`.

    >>> show_time("2026-01-31T12:00:00.000Z")
    '2026-01-31 12:00:00 UTC'
    """
    try:
        return f"{datetime.fromisoformat(time.replace('Z', '+00:00')):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return time


def show_duration(seconds: float | None) -> str:
    """Show how long something took, in two units at most.

    >>> [show_duration(one) for one in (0.001, 0.24, 7.3, 75, 3720, 90000)]
    ['0 s', '0.24 s', '7.3 s', '1 min 15 s', '1 h 2 min', '1 d 1 h']
    """
    if seconds is None:
        return ""
    if seconds < 0.01:
        return "0 s"
    if seconds < 10:
        return f"{seconds:.2g} s"
    if round(seconds) < _MINUTE:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    for size, name, smaller, part in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"


def show_bytes(size: float) -> str:
    """Show a size in the unit that fits.

    >>> [show_bytes(one) for one in (12, 3 << 10, 200 << 20)]
    ['12 B', '3 KiB', '200 MiB']
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"
