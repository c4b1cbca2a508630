"""Stored times: ISO 8601 in UTC with milliseconds, which sort as text."""

from datetime import datetime, timedelta, timezone

SECONDS_PER_DAY = 86_400


def now() -> str:
    """Return the current time, in the form in which times are stored."""
    return after(0)


def after(seconds: float) -> str:
    """Return the time so many seconds from now (negative: before), in that form."""
    return format_time(datetime.now(timezone.utc) + timedelta(seconds=seconds))


def days_after(days: float) -> str:
    """Return the time so many days from now (negative: before), in that form."""
    return after(days * SECONDS_PER_DAY)


def format_time(time: datetime) -> str:
    """Write a time of UTC in the form in which times are stored: `2026-01-31T12:00:00.000Z`."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_seconds(seconds: float) -> str:
    """Return a time in seconds since the epoch in the form in which times are stored."""
    return format_time(datetime.fromtimestamp(seconds, timezone.utc))


def to_seconds(time: str) -> float:
    """Return a stored time in seconds since the epoch; raises `ValueError` for text that is no time."""
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def seconds_since(time: str) -> float:
    """Return how many seconds have passed since a stored time; raises `ValueError` for text that is no time."""
    return (datetime.now(timezone.utc) - datetime.fromisoformat(time.replace("Z", "+00:00"))).total_seconds()
