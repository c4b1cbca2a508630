"""Stored times: ISO 8601 in UTC with milliseconds, which sort as text."""

from datetime import datetime, timedelta, timezone


def now() -> str:
    """Return the current time."""
    return after(0)


def after(seconds: float) -> str:
    """Return the time the given number of seconds from now."""
    return format_time(datetime.now(timezone.utc) + timedelta(seconds=seconds))


def format_time(time: datetime) -> str:
    """Write a time."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_seconds(time: str) -> float:
    """Return a stored time in seconds since the epoch."""
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def seconds_since(time: str) -> float:
    """Return how many seconds have passed since a stored time."""
    return (datetime.now(timezone.utc) - datetime.fromisoformat(time.replace("Z", "+00:00"))).total_seconds()
