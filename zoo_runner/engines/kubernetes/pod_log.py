"""The log of a job pod: lines that a person can read and from which its follower decodes every event; pure.

[write] a line that the step `write` printed
{"event": "PackedLines", ...}       many lines of a step at once: how many, the last of them, and all, compressed
engine info: a line of the engine
{"event": "StepStarted", ...}       an event of any other kind
{"event": "Outcome", ...}           the last line: how the job ended
{"event": "Handover"}               the last line of a node after which another one continues the job
"""

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from zoo_runner.model.codec import event_from_plain, from_plain, to_plain
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.events import EngineLine, Event, StepLines, is_sound
from zoo_runner.model.job import Outcome
from zoo_runner.model.text_lines import TextLines, join_lines, measure_lines

# no step may begin a line of its own
_PLAIN_STEP = re.compile(r"[^\]\x00-\x1f]+")
_STEP_LINE = re.compile(r"\[(?P<step>[^\]]+)\] (?P<text>.*)", re.DOTALL)
_ENGINE_LINE = re.compile(r"engine (?P<severity>info|warning|error): (?P<text>.*)", re.DOTALL)

_PACKED = "PackedLines"
# fewer than that are lines that a person can read
_PLAIN_CHARACTERS = 16 << 10
_BLOCK_CHARACTERS = 64 << 10
# a block ends with the line that makes it long enough, which may be one of `LONGEST_LINE`, of other characters
_LARGEST_BLOCK_BYTES = 1 << 20
_SHOWN_CHARACTERS = 200
# blocks of a step that come together are one event again, as long as they are not longer
_JOINED_CHARACTERS = 1 << 20
# 6 takes twice the time, for 3 to 10 % less
_LEVEL = 3


@dataclass(frozen=True)
class Handover:
    """A node of a job has done its part; another node continues the job."""


LastLine = Outcome | Handover
"""What the last line of a program says."""


def encode_line(event: Event | LastLine) -> list[str]:
    """Encode an event as lines of the pod's log; much that a step printed at once is compressed.

    Runtime, kubelet and API work line by line, and kubelet forgets what is more than 10 MiB.
    """
    match event:
        case StepLines() if measure_lines(event.lines) > _PLAIN_CHARACTERS:
            lines = [_pack(event.step, block) for block in _cut_blocks(join_lines(event.lines))]
        case StepLines() if _PLAIN_STEP.fullmatch(event.step):
            lines = [f"[{event.step}] {line}" for line in event.lines]
        case EngineLine():
            lines = [f"engine {event.severity}: {line}" for line in event.text.splitlines()]
        case _:
            lines = [json.dumps({"event": type(event).__name__, **to_plain(event)}, ensure_ascii=False)]
    return lines if all(map(str.isascii, lines)) else [_make_utf8(line) for line in lines]


def _cut_blocks(text: str) -> Iterator[str]:
    """Cut lines into blocks of about a size; a line for itself may be longer."""
    begin = 0
    while (end := text.find("\n", begin + _BLOCK_CHARACTERS)) >= 0:
        yield text[begin:end]
        begin = end + 1
    yield text[begin:]


def _pack(step: str, text: str) -> str:
    packed = zlib.compress(text.encode(errors="backslashreplace"), _LEVEL)
    number, last = text.count("\n") + 1, text.rpartition("\n")[2][:_SHOWN_CHARACTERS]
    return json.dumps(
        {"event": _PACKED, "step": step, "lines": number, "last": last, "zlib": base64.b64encode(packed).decode()}
    )


def _unpack(data: Any) -> StepLines:
    """Raises `ValueError` for what is not a block, or has more than a block may have."""
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(base64.b64decode(data["zlib"], validate=True), _LARGEST_BLOCK_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflate.eof:
        raise ValueError("a block is cut, or too large")
    return StepLines(data["step"], TextLines(content.decode()))


def _make_utf8(line: str) -> str:
    """Escape what UTF-8 does not have, such as names of files that are no UTF-8; in JSON the escape is the same."""
    return line.encode(errors="backslashreplace").decode()


def decode_line(line: str) -> Event | LastLine:
    """Read a line of the pod's log; a line of any other program becomes a line of the engine."""
    if match := _STEP_LINE.fullmatch(line):
        return StepLines(match["step"], (match["text"],))
    if match := _ENGINE_LINE.fullmatch(line):
        return EngineLine(match["severity"], match["text"])
    try:
        data = json.loads(line)
        return _decode_event(data)
    except (ValueError, KeyError, TypeError, RecursionError):
        return EngineLine("info", line)


def decode_lines(lines: Iterable[str]) -> Iterator[Event | LastLine]:
    """Read lines of the pod's log; what a step printed in one go is one event again, or one of a few for very much."""
    step, size = "", 0
    printed: list[str] = []
    for event in map(decode_line, lines):
        # a thousand blocks may come at once, which are not to be in memory together
        is_more = isinstance(event, StepLines) and event.step == step and size < _JOINED_CHARACTERS
        if printed and not is_more:
            yield StepLines(step, TextLines("\n".join(printed)))
            printed, size = [], 0
        if isinstance(event, StepLines):
            step = event.step
            printed.append(join_lines(event.lines))
            size += measure_lines(event.lines)
        else:
            yield event
    if printed:
        yield StepLines(step, TextLines("\n".join(printed)))


def _decode_event(data: Any) -> Event | LastLine:
    match data["event"]:
        case "Outcome":
            return from_plain(Outcome, data)
        case "Handover":
            return Handover()
    event = _unpack(data) if data["event"] == _PACKED else event_from_plain(data)
    if not is_sound(event):
        raise ValueError("a value of another type than the event has")
    return event


def build_no_result(image: str, exit_code: int) -> RunnerError:
    """Build the error of a container that ended by itself without a last line."""
    return EngineError(
        f"the container of the job exited with code {exit_code} without reporting a result",
        f"Read its output in the job log. If {image} is not the job image (deploy/job) of this version, set that in"
        " ZOO_RUNNER_JOB_IMAGE or CALRISSIAN_IMAGE.",
        evidence=(f"exit code {exit_code} of {image}",),
        code="engine.no-result",
    )
