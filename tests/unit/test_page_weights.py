"""What a browser has to load for a page, compressed: a large job, its list, and its results with a map."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.contract.stores import PACKAGE, build_job
from tests.markup import Page
from zoo_runner.model.events import Event, StepEnded, StepStarted
from zoo_runner.model.job import Status
from zoo_runner.server.api import Api, Call
from zoo_runner.server.jobs import describe_job, describe_jobs, find_jobs
from zoo_runner.server.pages.assets import load_assets
from zoo_runner.server.pages.frame import build_frame
from zoo_runner.server.pages.job_list_page import JobListPage, build_filters
from zoo_runner.server.pages.job_page import read_job_page
from zoo_runner.server.pages.log_window import WINDOW_BYTES, Part, read_window
from zoo_runner.server.pages.maps import MapView, build_job_shapes
from zoo_runner.server.pages.rendering import render
from zoo_runner.store.protocol import JobQuery

BASE = "http://eo.example"
CALL = Call("ws", BASE)
PLAIN, WITH_MAP = 150_000, 500_000
BEGIN = 1767225601.0


def weigh(page: str) -> int:
    """Add up a page and what it loads, as they are sent."""
    assets = {f"/assets/{one.name}": one.body for one in load_assets().values()}
    found = Page(page)
    loaded = [one.get("src") or one.get("href") for tag in ("script", "link", "img") for one in found.list_all(tag)]
    loaded += [one["data-land"] for one in found.list_all("div") if "data-land" in one]
    bodies = [assets[address] for address in dict.fromkeys(loaded) if address in assets]
    assert len(bodies) == len(set(loaded))
    return sum(len(gzip.compress(body, 6)) for body in (page.encode(), *bodies))


def build_steps(count: int) -> Iterable[Event]:
    for number in range(count):
        name, begun = f"classify_{number}", BEGIN + number
        yield StepStarted(name, f"python3 classify.py --tile {number} --threshold 0.{number}", begun)
        yield StepEnded(name, begun, begun + 0.7 * number, number % 7 == 6, 0.3 * number, 100.0 + number)


def test_a_job_of_200_steps_and_10000_lines_of_log_is_light(api: Api, tmp_path: Path) -> None:
    log = tmp_path / "1_error.log"
    lines = (
        f"2026-01-01T00:00:{n % 60:02d}Z [classify_{n % 200}] tile {n}: {n * 37 % 1001} pixels\n" for n in range(10_000)
    )
    log.write_text("".join(lines))
    job = build_job(
        1, status=Status.RUNNING, started="2026-01-01T00:00:01.000Z", log=str(log), log_folder=str(tmp_path)
    )
    api.store.jobs.create(job, PACKAGE)
    api.store.events.append(job.id, build_steps(200))
    view = read_job_page(api, CALL, job)
    assert len(view.timeline.rows) == 201
    frame = build_frame({"method": "GET", "path": f"/jobs/{job.id}", "query_string": b""}, BASE)
    assert weigh(render("job", describe_job(job, CALL), frame, view)) <= PLAIN


def test_a_list_of_100_jobs_is_light_also_with_its_map(api: Api) -> None:
    for number in range(100):
        west = number * 3 - 170
        api.store.jobs.create(build_job(number, inputs={"bbox": [west, -20, west + 2, 10]}), PACKAGE)
    found = find_jobs(api, CALL, JobQuery(limit=100))
    frame = build_frame({"method": "GET", "path": "/jobs", "query_string": b""}, BASE)
    for shown, most in (
        (MapView(), PLAIN),
        (MapView(build_job_shapes(found.page.jobs, BASE, with_results=True, with_inputs=True)), WITH_MAP),
    ):
        view = JobListPage(build_filters(()), shown, may_choose=True)
        assert weigh(render("jobs", describe_jobs(found, CALL), frame, view)) <= most


def count_read() -> int:
    """Count the bytes that this process has read so far."""
    (line,) = [line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("rchar")]
    return int(line.partition(":")[2])


@pytest.mark.parametrize("before", [None, 100 << 20])
def test_of_a_log_of_200_mb_the_part_that_is_shown_is_read_alone(tmp_path: Path, before: int | None) -> None:
    log = tmp_path / "job.log"
    with log.open("wb") as file:
        file.truncate(200 << 20)
        file.seek(0, 2)
        file.write(b"\nthe last line\n")
    already = count_read()
    window = read_window(log, before)
    assert count_read() - already < 2 * WINDOW_BYTES
    assert window.size > 200 << 20
    assert before or window.lines[-1].parts == (Part("the last line"),)
