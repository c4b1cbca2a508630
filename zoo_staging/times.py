"""RFC 3339 times, which Python before 3.11 reads only in part: neither `Z` nor fractions of any length."""

import re
from datetime import datetime, time


def read_datetime(text: str) -> datetime:
    """Parse date and time; the answer is naive where the text has no offset. Raises ValueError."""
    return datetime.fromisoformat(_spell_out(text))


def read_time(text: str) -> time:
    """Parse a time of day; the answer is naive where the text has no offset. Raises ValueError."""
    return time.fromisoformat(_spell_out(text))


def _spell_out(text: str) -> str:
    """Write `Z` as an offset, and microseconds with all six digits."""
    with_offset = re.sub(r"(?<=\d)[Zz]$", "+00:00", text)
    return re.sub(r"(?<=:\d\d)[.,](\d+)", lambda found: f".{found[1][:6]:0<6}", with_offset)
