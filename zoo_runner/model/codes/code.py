"""What one code of a diagnosis is."""

from dataclasses import dataclass

from zoo_runner.model.diagnosis import Level


@dataclass(frozen=True)
class Code:
    """A code with its usual level, what it means and what to do, as docs/errors.md lists it."""

    name: str
    level: Level
    meaning: str
    remedy: str
