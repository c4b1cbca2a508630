"""The logs of a job, written while it runs: one file for the whole job, and one for each step."""

import contextlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import singledispatchmethod
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any

from zoo_runner.config.folders import JobPaths
from zoo_runner.execution.log_files import LOG_FILES, link_names
from zoo_runner.execution.log_notes import LogNotes
from zoo_runner.execution.written_lines import WrittenLines, read_written
from zoo_runner.files import write_anew
from zoo_runner.model.colours import make_coloured_line
from zoo_runner.model.diagnosis import Diagnosis, Stage
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.events import (
    EngineLine,
    Event,
    Published,
    StageStarted,
    StepEnded,
    StepLines,
    StepReused,
    StepStarted,
    begins_anew,
)
from zoo_runner.model.masking import Masker
from zoo_runner.model.printable import has_odd_characters, make_one_line
from zoo_runner.model.remedies import Readers, fit_remedy
from zoo_runner.model.text_lines import TextLines, join_lines, measure_lines
from zoo_runner.model.workspace import MOST_LOG_BYTES
from zoo_staging.progress import Transferred

_LONG_TEXT = 1 << 20
# a scattered package may have thousands of steps, and each of them may print without end
_FULL_STEPS = 8
# of each step that comes after those: one of them may be the one that fails
_LATE_BYTES = 16 << 10


@dataclass
class Printed:
    """What a step has printed so far: bytes in its log, and lines that are not, after it was cut."""

    kept_bytes: int = 0
    more_lines: int = 0
    is_cut: bool = False


class JobLog:
    """Turns events into the job log and the step logs under the names that platforms rely on.

    Nothing gets into a file unmasked. The job log is one file with two names, in `temp` and in the job's private
    folder: where `temp` is emptied by others while the job runs, it gets its name there again, and step logs are
    created anew. Of what a step prints, `most_bytes` are kept, of all steps together eight times as much,
    and `late_bytes` of each further step; the number of lines that are not kept is logged. What to do is written for
    its `readers`. Raises `SettingsError` where the logs' folder cannot be created.
    """

    def __init__(
        self,
        paths: JobPaths,
        masker: Masker,
        most_bytes: int = MOST_LOG_BYTES,
        late_bytes: int = _LATE_BYTES,
        readers: Readers = Readers.COMMANDS,
    ) -> None:
        self.paths, self.masker, self._readers = paths, masker, readers
        self._most_bytes, self._left_bytes = most_bytes, _FULL_STEPS * most_bytes
        self._late_bytes = late_bytes
        self._printed: dict[str, Printed] = {}
        # built once: a tool that prints without end comes here a thousand times
        self._job_log, self._kept_log = paths.job_log, paths.kept_log
        self._lock = threading.Lock()
        self._sources: dict[str, str] = {}
        self._usage: list[StepEnded] = []
        self._usage_written = -1
        self._reused: dict[StepReused, None] = {}
        self._published: str | None = None
        self._written, self._notes = WrittenLines(), LogNotes()
        self._files_done: dict[str, int] = {Stage.STAGE_IN: 0, Stage.STAGE_OUT: 0}
        _make_folder(paths.log_folder, 0o777, "ZOO_RUNNER_TEMP")
        _make_folder(paths.record, 0o700, "ZOO_RUNNER_STATE")

    def __enter__(self) -> "JobLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.write_usage()
        LOG_FILES.close(self.paths.job_log, self.paths.log_folder, self.paths.kept_log)

    def take_up(self) -> None:
        """Leave what the logs have, and write nothing of it again: a remote engine reports everything once more.

        So a log only grows, and its readers go on where they are.
        """
        self._written = read_written(self.paths)

    @property
    def usage(self) -> tuple[StepEnded, ...]:
        """What the steps that ended so far have used."""
        return tuple(self._usage)

    @property
    def reused(self) -> tuple[StepReused, ...]:
        """The steps that were not run, because an earlier job has their outputs."""
        return tuple(self._reused)

    @property
    def published(self) -> str | None:
        """Where these logs were put for others to read; None where they were not."""
        return self._published

    def __call__(self, event: Event) -> None:
        """Write an event where it belongs."""
        with self._lock:
            self._write_event(event)

    @singledispatchmethod
    def _write_event(self, event: Event) -> None:
        raise TypeError(f"{type(event).__name__} has no place in a log")

    @_write_event.register
    def _(self, event: StageStarted) -> None:
        # the job runs again: what its lost pod has published lacks what comes now
        self._published = None
        self._files_done[event.stage] = 0
        self._write_line(event.stage, f"begins: {event.about}")
        self._write_stage(event.stage, f"{event.stage}: {event.about}")

    @_write_event.register
    def _(self, event: Transferred) -> None:
        if self._files_done.get(event.stage) == event.files_done:
            return  # progress within a file is for displays; the log has files
        self._files_done[event.stage] = event.files_done
        line = f"{event.files_done}/{event.files_total} {event.href} ({event.bytes_done} bytes so far)"
        self._write_line(event.stage, line)
        self._write_stage(Stage(event.stage), line)

    @_write_event.register
    def _(self, event: StepStarted) -> None:
        command = self._clean(event.command)
        self._printed[event.step] = Printed()
        self._write_step(event.step, [f"begins: {command}"], [f"$ {command}"], is_attempt=True)

    @_write_event.register
    def _(self, event: StepLines) -> None:
        printed = self._printed.setdefault(event.step, Printed())
        if printed.is_cut:
            printed.more_lines += len(event.lines)
            return
        lines = self._clean_lines(event.lines)
        self._written.begin_at(event.step, self.paths.step_log(event.step), lines)
        room = min(self._most_bytes, max(self._late_bytes, printed.kept_bytes + self._left_bytes)) - printed.kept_bytes
        kept = _take_lines(lines, room)
        size = measure_lines(kept)
        printed.kept_bytes += size
        self._left_bytes -= size
        printed.more_lines += len(lines) - len(kept)
        printed.is_cut = size >= room
        self._write_step(event.step, [*kept, self._explain_limit(printed)] if printed.is_cut else kept)

    @_write_event.register
    def _(self, event: StepEnded) -> None:
        self._usage.append(event)
        printed = self._printed.pop(event.step, Printed())
        more = [f"{printed.more_lines} more lines were not kept"] if printed.more_lines else []
        self._write_step(event.step, [*more, _end_line(event)])

    @_write_event.register
    def _(self, event: StepReused) -> None:
        if event in self._reused:  # a pod that is started again says it again
            return
        self._reused[event] = None
        self._write_step(event.step, [self._clean(f"not run: its outputs are those of job {event.job}")])

    @_write_event.register
    def _(self, event: EngineLine) -> None:
        if begins_anew(event):
            self._begin_anew(self._clean(event.text))
        for line in event.text.splitlines():
            self._write_line("engine", line)
        # what a stager warns of belongs to its own log as well
        stage = next((stage for stage in Stage if event.text.startswith(f"{stage}: ")), None)
        if stage:
            self._write_stage(stage, event.text)

    @_write_event.register
    def _(self, event: Published) -> None:
        self._published = event.href
        self._write_line("job", f"logs and usage report are published: {event.href}")

    def _begin_anew(self, line: str) -> None:
        """Expect again only what the pod has written that says this line; the logs of stages say it too."""
        if not self._written.begin_anew(line, self.paths):
            return
        for stage in Stage:
            if (log := self._stage_log(stage)) and os.path.exists(log):  # noqa: PTH110 raises nothing, as a path's may
                self._write_stage(stage, line)

    def write(self, source: str, text: str) -> None:
        """Add lines of the runner's own to the job log."""
        with self._lock:
            self._write_clean(source, [self._clean(line) for line in text.splitlines()])

    def write_end(self, diagnosis: Diagnosis | None, collection_href: str | None) -> None:
        """Write how the job ended, and what its steps used."""
        if diagnosis:
            self.write_failure(diagnosis)
        else:
            with self._lock:
                self._write_line("job", f"SUCCESSFUL, results: {collection_href}")
        self.write_usage()

    def write_failure(self, diagnosis: Diagnosis) -> None:
        """Write why the job failed."""
        lines = [f"FAILED at {diagnosis.stage} ({diagnosis.level} level, {diagnosis.code}): {diagnosis.cause}"]
        lines += [f"  | {line}" for line in diagnosis.evidence]
        lines += [f"WHAT TO DO: {fit_remedy(diagnosis.remedy, self._readers)}"]
        with self._lock:
            for line in "\n".join(lines).splitlines():
                self._write_line("job", line)
                self._write_stage(diagnosis.stage, line)

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep what was submitted beside the logs."""
        self._replace(self.paths.plan, plan)

    def write_usage(self) -> None:
        """Keep what each step used beside the logs; what could not be measured is null.

        Where the log of a job is written by several processes, that of the steps is not overwritten by another. It is
        written once for the same steps: a job that has ended may be removed at any time, and nothing comes back.
        """
        if self._usage_written == len(self._usage):
            return
        self._usage_written = len(self._usage)
        if not self._usage and os.path.exists(self.paths.usage):  # noqa: PTH110 raises nothing, as a path's may
            return
        steps = [
            {
                "step": step.step,
                "started": _iso(step.started),
                "ended": _iso(step.ended),
                "seconds": round(step.ended - step.started, 3),
                "exitCode": step.exit_code,
                "cpuSeconds": step.cpu_seconds,
                "peakMemoryMiB": step.peak_memory_mib,
            }
            for step in self._usage
        ]
        self._replace(self.paths.usage, {"job": self.paths.job_id, "steps": steps})

    def _explain_limit(self, printed: Printed) -> str:
        mebibytes = self._most_bytes / 2**20
        limit = f"its limit is {mebibytes:g} MiB (ZOO_RUNNER_LOG_MAX_MIB)"
        if printed.kept_bytes < self._most_bytes:
            limit = f"that of all steps of a job is {_FULL_STEPS * mebibytes:g} MiB ({_FULL_STEPS} times"
            limit += f" ZOO_RUNNER_LOG_MAX_MIB), and {self._late_bytes >> 10} KiB for each further step"
        return f"what the step prints from here on is not kept: {limit}"

    def _stage_log(self, stage: Stage) -> Path | None:
        return {Stage.STAGE_IN: self.paths.stage_in_log, Stage.STAGE_OUT: self.paths.stage_out_log}.get(stage)

    def _write_line(self, source: str, text: str) -> None:
        self._write_clean(source, self._written.take_new(source, [self._clean(text)]))

    def _write_stage(self, stage: Stage, text: str) -> None:
        """Add a line to the log of a stage that has one."""
        if log := self._stage_log(stage):
            self._append(log, self._written.take_new(log, [self._clean(text)]))

    def _write_step(
        self, step: str, lines: Sequence[str], own_lines: Sequence[str] | None = None, *, is_attempt: bool = False
    ) -> None:
        """Add lines of a step, clean ones, to the job log and to its own, where they may have other words."""
        own = self.paths.step_log(step)
        self._write_clean(step, self._written.take_new(step, lines))
        new = self._written.take_new(own, lines if own_lines is None else own_lines)
        with contextlib.suppress(OSError):
            if is_attempt and new:
                self._notes.keep_attempt(own)
            self._notes.keep_colours(own, self.paths.log_folder, new)
        self._append(own, new)

    def _write_clean(self, source: str, lines: Sequence[str]) -> None:
        if not lines:
            return
        if source not in self._sources:
            self._sources[source] = self._clean(source)
        start = f"{_iso(datetime.now(timezone.utc).timestamp())} [{self._sources[source]}] "
        stamped = TextLines(start + join_lines(lines).replace("\n", f"\n{start}"))
        linked = link_names(self._job_log, self._kept_log)
        with contextlib.suppress(OSError):
            self._notes.keep_colours(self._job_log, self.paths.log_folder, lines, len(start))
        self._append(self._job_log, stamped)
        if not linked:
            self._append(self._kept_log, stamped)

    def _clean(self, text: str) -> str:
        """Return text as a log may have it: without secrets, in one line."""
        return make_one_line(self.masker.mask(text))

    def _clean_lines(self, lines: Sequence[str]) -> Sequence[str]:
        """Clean each line; almost always there is nothing to clean in all of them together."""
        masked = self.masker.mask_lines(lines)
        return [self._keep_colours(line) for line in masked] if has_odd_characters(join_lines(masked)) else masked

    def _keep_colours(self, line: str) -> str:
        clean = make_coloured_line(line)
        # a secret may have been printed in several colours
        masked = clean if clean == line else self.masker.mask(clean)
        return clean if masked == clean else masked

    def _append(self, path: Path, lines: Sequence[str]) -> None:
        # a log that cannot be written (its disk is full, somebody took its folder) must not end the job
        with contextlib.suppress(OSError):
            LOG_FILES.append_text(path, f"{join_lines(lines)}\n" if lines else "")

    def _replace(self, path: Path, content: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_anew(path, _write_json(self.masker.mask_data(content)).encode("utf-8", "backslashreplace"))


def _write_json(content: Any) -> str:
    """Write a document for people; one that is too long for them takes a tenth of the time without indents."""
    text = json.dumps(content)
    return (json.dumps(content, indent=2) if len(text) < _LONG_TEXT else text) + "\n"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _make_folder(folder: Path, mode: int, variable: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        # a neighbour may have put a link into a public folder
        os.close(os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError as error:
        raise SettingsError(
            f"cannot write the logs of the job: cannot create {folder}: {error.strerror}",
            f"Set {variable} to a folder that this user may write to.",
        ) from error


def _take_lines(lines: Sequence[str], size: int) -> Sequence[str]:
    """Take lines until they have a size; a batch may have thousands."""
    if size <= 0:
        return ()
    if measure_lines(lines) <= size:
        return lines
    ends = accumulate(len(line) + 1 for line in lines)
    return lines[: next((number for number, end in enumerate(ends, 1) if end >= size), len(lines))]


def _end_line(event: StepEnded) -> str:
    ended = "could not be started" if event.exit_code is None else f"exit code {event.exit_code}"
    used = [f"{event.ended - event.started:.2f} s"]
    used += [f"CPU {event.cpu_seconds:.2f} s"] if event.cpu_seconds is not None else []
    used += [f"peak memory {event.peak_memory_mib:.0f} MiB"] if event.peak_memory_mib is not None else []
    return f"ends: {ended} ({', '.join(used)})"
