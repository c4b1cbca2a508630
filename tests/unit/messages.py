"""The one snapshot of messages, messages.json: tests assert codes and facts, and this file holds the words.

`pytest tests/unit --write-messages` writes it; look at what changed.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from tests.values import ROOT
from zoo_runner.model.diagnosis import Diagnosis, Level
from zoo_runner.model.errors import RunnerError

FILE = Path(__file__).with_suffix(".json")


@dataclass
class Messages:
    """The messages of each test function, as kept and as seen in this run."""

    kept: dict[str, list[str]]
    seen: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "Messages":
        """Read the snapshot."""
        return cls(json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {})

    def write(self) -> None:
        """Write the snapshot, with what was seen in this run in place of what those tests had."""
        content = json.dumps(self.kept | self.seen, indent=2, ensure_ascii=False, sort_keys=True)
        FILE.write_text(f"{content}\n", encoding="utf-8")


@dataclass(frozen=True)
class Check:
    """Asserts what an error says by code, level, step and facts, and its words by the snapshot."""

    test: str
    messages: Messages
    writes: bool
    folder: Path | None

    def __call__(
        self,
        error: BaseException | None,
        code: str,
        *facts: str,
        level: Level | None = None,
        step: str | None = None,
        remedy: str = "",
    ) -> Diagnosis:
        """Assert the code, and that the cause has each fact; level and step where given; what the remedy names."""
        assert isinstance(error, RunnerError), repr(error)
        diagnosis = error.diagnosis
        found = (diagnosis.code, level and diagnosis.level, step and diagnosis.step)
        assert found == (code, level, step), f"{found}: {diagnosis.cause}"
        assert remedy in diagnosis.remedy, diagnosis.remedy
        assert [fact for fact in facts if fact not in diagnosis.cause] == [], diagnosis.cause
        self._hold(f"[{code}] {diagnosis.cause} WHAT TO DO: {diagnosis.remedy}")
        return diagnosis

    def words(self, text: str, *facts: str) -> None:
        """Assert that any other message has each fact, and hold its words."""
        assert [fact for fact in facts if fact not in text] == [], text
        self._hold(text)

    def _hold(self, text: str) -> None:
        for place, name in ((self.folder, "<folder>"), (ROOT, "<repository>")):
            text = text.replace(str(place), name) if place else text
        seen = self.messages.seen.setdefault(self.test, [])
        if text not in seen:
            seen.append(text)
        assert self.writes or text in self.messages.kept.get(self.test, ()), (
            f"not in {FILE.name}: {text}\nrun pytest with --write-messages and look at what changed"
        )
