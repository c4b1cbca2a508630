"""What pages take in a real browser: when the first content is there, how much is sent, and the end of a large log.

    python -m bench.pages [--rounds 5] [--no-page]

Needs Chromium and Playwright (`make browser`). Exits with 1 where a limit is missed, and writes its part of
docs/bench.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.commands import describe_machine, read_mib
from bench.options import whole
from bench.page import write_part
from tests.contract.stores import PACKAGE, build_job
from tests.live.chromium import PYTHON
from tests.servers import serve_files
from tests.serving import Server, serving
from tests.site import Site
from zoo_runner.config.folders import JobPaths
from zoo_runner.execution.job_log import JobLog
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.events import Event, StepEnded, StepLines, StepStarted
from zoo_runner.model.job import Job, Outcome, Status
from zoo_runner.model.masking import Masker
from zoo_runner.store.sql import SqlStore, open_sql_store

ROOT = Path(__file__).parents[1]
TITLE = "Pages in a browser"
VIEWS = ROOT / "bench" / "page_views.py"
STEPS, LINES = 200, 10_000
LOG_BYTES = 200_000_000
PLAIN, WITH_MAP = 150_000, 500_000
PAINTED_MS, END_MS = 1000, 1000
_BEGIN, _FINISHED = 1767225601.0, "2026-01-01T00:04:00.000Z"
_LAST = "ends: exit code 1 (29.00 s, CPU 20.00 s, peak memory 900 MiB)"


def main() -> int:
    """Measure, print, write the page; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(prog="bench.pages", description=__doc__)
    parser.add_argument("--rounds", type=whole(), default=5)
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    given = parser.parse_args()
    data = ROOT / "examples" / "data"
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as folder, serve_files(data) as web:
        rows, about = _measure(Path(folder), web.url, given.rounds)
    table = "\n".join(["| what | found | limit |", "|---|---|---|", *rows])
    print(table)
    if not given.no_page:
        write_part(TITLE, _build_part(table, about, given.rounds))
    return 0 if "missed" not in table else 1


def _measure(folder: Path, web: str, rounds: int) -> tuple[list[str], str]:
    site = Site(folder, folder / "cache").having(
        ZOO_RUNNER_DATABASE=f"sqlite:///{folder}/runner.db",
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_LINK_SECRET="only-for-measuring-0123456789abcdef",
        ZOO_RUNNER_CATALOGS=f"{web}/catalog.json",
        STAGEIN_PRIVATE_HOSTS="127.0.0.1",
    )
    with serving(site.environ, folder) as server:
        survey = _run_survey(server)
        with closing(open_sql_store(site.environ["ZOO_RUNNER_DATABASE"])) as store:
            many, large = fill_many_steps(store, folder), fill_large_log(store, folder)
            fill_jobs(store)
        # with all modules that pages need
        found = _look({name: f"{server.url}{path}" for name, path in _list_pages(survey, many).items()}, {}, 0)
        opened = _look({}, {"many": f"{server.url}/jobs/{many}.html"}, rounds)["timed"]
        before = read_mib(server.process.pid)
        opened |= _look({}, {"large": f"{server.url}/jobs/{large}.html?log=grow.log"}, rounds)["timed"]
        grown = read_mib(server.process.pid) - before
    return [*_judge_times(opened, grown), *_judge_weights(found["weighed"])], found["browser"]


def fill_jobs(store: SqlStore) -> None:
    """Store jobs that have places, for the map of a list."""
    for number in range(100, 200):
        west = number * 1.8 - 270
        place = {"bbox": [west, -20, west + 2, 10]}
        # ended: no worker claims it
        job = build_job(number, workspace="default", inputs=place, status=Status.DISMISSED, finished=_FINISHED)
        store.jobs.create(job, PACKAGE)


def _run_survey(server: Server) -> str:
    """Run a process whose results lie on a map; returns the job."""
    server.deploy(ROOT / "tests" / "data" / "pages" / "survey.cwl")
    server.deploy(ROOT / "tests" / "data" / "pages" / "scene.cwl")
    job = server.execute("survey", {"area": {"bbox": [10.2, 46.1, 11.4, 46.9]}})
    assert server.wait(job)["status"] == "successful"
    return job


def fill_many_steps(store: SqlStore, folder: Path) -> str:
    """Store a job of many steps, the last of which failed, and its log of many lines; half of them have colours."""
    job, paths = _create(store, folder, 1)
    each = LINES // STEPS - 2
    with JobLog(paths, Masker()) as log:
        for event in _list_steps(each):
            log(event)
            if not isinstance(event, StepLines):
                store.events.append(job.id, [event])
    return job.id


def _list_steps(each: int) -> Iterable[Event]:
    for number in range(STEPS):
        name, begun, code = f"classify_{number}", _BEGIN + number, int(number == STEPS - 1)
        yield StepStarted(name, f"python3 classify.py --tile {number} --threshold 0.{number}", begun)
        yield StepLines(name, tuple(_write_line(line) for line in range(each)))
        yield StepEnded(name, begun, begun + 9.5, code, 0.3, 100.0 + number)


def _write_line(number: int) -> str:
    count = f"{number * 37 % 1001} pixels"
    return f"tile {number}: \x1b[3{number % 7 + 1}m{count}\x1b[0m" if number % 2 else f"tile {number}: {count}"


def fill_large_log(store: SqlStore, folder: Path) -> str:
    """Store a job whose step has printed very much."""
    job, paths = _create(store, folder, 2)
    line = "row {} of the scene is done: " + "0.25 " * 14
    with JobLog(paths, Masker(), most_bytes=2 * LOG_BYTES) as log:
        log(StepStarted("grow", "grow.py", _BEGIN))
        for first in range(0, LOG_BYTES // 100, 10_000):
            log(StepLines("grow", tuple(line.format(number).ljust(99) for number in range(first, first + 10_000))))
        log(StepEnded("grow", _BEGIN, _BEGIN + 29, 1, 20.0, 900.0))
    assert paths.step_log("grow").stat().st_size >= LOG_BYTES
    return job.id


def _create(store: SqlStore, folder: Path, number: int) -> tuple[Job, JobPaths]:
    times = {"started": "2026-01-01T00:00:01.000Z", "finished": _FINISHED}
    job = build_job(number, workspace="default", status=Status.FAILED, **times)
    paths = JobPaths("bench", job.id, folder / "logs" / job.id, folder / "state" / job.id, folder / "scratch" / job.id)
    found = Diagnosis(Stage.EXECUTE, Level.USER, "the step ended with exit code 1", "Read its log.", code="step.failed")
    outcome = Outcome(Status.FAILED, diagnosis=found)
    kept = replace(job, log=str(paths.job_log), log_folder=str(paths.log_folder), outcome=outcome)
    return store.jobs.create(kept, PACKAGE), paths


def _list_pages(survey: str, many: str) -> dict[str, str]:
    return {
        "start": "/?f=html",
        "processes": "/processes.html",
        "a process": "/processes/scene.html",
        "a process with a map": "/processes/survey.html",
        "100 jobs on a map": "/jobs.html?limit=100",
        f"a job of {STEPS} steps": f"/jobs/{many}.html",
        "results on a map": f"/jobs/{survey}/results?f=html",
        "failures": "/failures.html",
        "search in a catalog, on a map": "/items.html?bbox=-108,39,-105,41",
        "usage": "/usage.html",
        "operations": "/operations.html",
        "engine": "/operations/engine.html",
    }


def _look(weigh: Mapping[str, str], time: Mapping[str, str], rounds: int) -> Any:
    words, asked = [str(PYTHON), str(VIEWS)], json.dumps({"weigh": weigh, "time": time, "rounds": rounds})
    done = subprocess.run(words, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench: the browser failed:\n{done.stderr}")
    return json.loads(done.stdout)


def _judge_times(opened: Mapping[str, list[dict[str, Any]]], grown: float) -> list[str]:
    many, large = opened["many"], opened["large"]
    assert {one["last"] for one in large} == {_LAST}, large[0]["last"]
    painted, end = (_find_middle(many, what) for what in ("painted", "end"))
    seen = _find_middle(large, "end")
    return [
        _write(
            f"first contentful paint of a job with {STEPS} steps and a log of {LINES:,} lines",
            f"{painted:.0f} ms (most {max(one['painted'] for one in many):.0f}), the end of its log after {end:.0f} ms",
            *(f"{PAINTED_MS} ms", painted <= PAINTED_MS),
        ),
        _write(
            f"the end of a log of {LOG_BYTES // 10**6} MB is seen",
            f"{seen:.0f} ms (most {max(one['end'] for one in large):.0f}), {large[0]['lines']} lines",
            *(f"{END_MS} ms", seen <= END_MS),
        ),
        f"| memory for it: the server, the browser | {grown:.0f} MiB, {_find_middle(large, 'browser'):.0f} MiB | |",
    ]


def _find_middle(found: list[dict[str, Any]], what: str) -> float:
    return float(statistics.median(one[what] for one in found))


def _judge_weights(weighed: Mapping[str, Mapping[str, int]]) -> list[str]:
    rows = []
    for name, found in weighed.items():
        limit = WITH_MAP if found["maps"] else PLAIN
        size = f"{found['bytes'] / 1000:.0f} kB in {found['requests']} requests"
        rows.append(_write(name, size, f"{limit // 1000} kB", found["bytes"] <= limit))
    return rows


def _write(what: str, found: str, limit: str, kept: bool) -> str:
    return f"| {what} | {found} | {limit}, {'kept' if kept else 'missed'} |"


def _build_part(table: str, browser: str, rounds: int) -> str:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    by = f"Chromium {browser}, headless; {rounds} rounds, medians; {describe_machine()}"
    return f"""Written by `python -m bench.pages` on {today}: {by}.

{table}

Times are those of the browser, from the begin of the navigation, with an empty cache; server and browser share the
machine. Sizes are the bytes that are sent, with all that a page loads; a page with a map has 500 kB, others 150 kB.
The large log is that of a step, whose job page shows the last 128 KiB of it. Memory is what the server takes more
after these visits than before, and the browser more with the page than without (proportional sizes)."""


if __name__ == "__main__":
    sys.exit(main())
