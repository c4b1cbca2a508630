"""The lines of servers and workers, as text for terminals."""

import logging
import sys

import pytest

from zoo_runner.model.masking import Masker
from zoo_runner.server.log_lines import Lines

FORGED = "2026-01-01T00:00:00.000Z INFO server: job ended status=successful"


def write(message: str, error: Exception | None = None, **fields: str) -> str:
    record = logging.LogRecord("zoo_runner", logging.INFO, "", 1, message, (), None)
    record.about = fields
    if error:
        try:
            raise error
        except ValueError:
            record.exc_info = sys.exc_info()
    return Lines(Masker([]), "server", as_json=False).format(record)


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x85", "\u2028", "\x1b[2K"])
def test_a_record_is_one_line_whatever_is_in_its_message_and_values(end: str) -> None:
    for line in (
        write("asked", path=f"/x{end}{FORGED}"),
        write(f"asked{end}{FORGED}"),
        write("asked", None, **{end: ""}),
    ):
        assert line.isprintable()


def test_what_can_be_printed_is_written_as_it_is() -> None:
    assert write("read", path="/größe/数据 1").endswith(" INFO server: read path=/größe/数据 1")


def test_a_line_of_a_trace_never_begins_like_a_line_of_its_own() -> None:
    first, *others = write("failed", ValueError(f"bad\n{FORGED}\x1b[2K")).splitlines()
    assert first.endswith("failed")
    assert [line for line in others if not line.startswith("  ") or not line.isprintable()] == []
