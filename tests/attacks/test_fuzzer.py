"""A fuzzer over packages: thousands of hostile ones by chance, and no canary in what any of them leaves."""

import json
import logging
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.fuzzing import Ground, Maker
from tests.attacks.hostile import CANARY, Document, Host, find_canary, listening, run_here
from tests.site import Site
from zoo_runner.model.codec import to_plain
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import Event
from zoo_runner.model.masking import Masker

QUICK_CASES, MANY_CASES = 300, 10_000
LONGEST_CASE_SECONDS = 60
_CASES_AT_ONCE = 50


@dataclass(frozen=True)
class Finding:
    """What a package did that it must not do, and the seed that makes it again."""

    seed: int
    what: str


def run_cases(first: int, count: int) -> list[Finding]:
    """Run the packages of some seeds one after the other, on ground that is planted once."""
    logging.disable(logging.NOTSET)
    with tempfile.TemporaryDirectory() as folder:
        planted = Host(Path(folder) / "host")
        planted.plant()
        (planted.folder / f"{CANARY}.name").write_text("a name that nobody learns")
        with listening(planted) as host:
            return [found for seed in range(first, first + count) for found in run_case(seed, host, Path(folder))]


def run_case(seed: int, host: Host, folder: Path) -> list[Finding]:
    """Run one package, and look for what it must not have done."""
    site = Site(folder / f"site-{seed}", folder / "cache", is_service=True)
    site.cache.mkdir(exist_ok=True)
    neighbour = site.folder / "scratch" / "neighbour" / "inputs" / "x"
    neighbour.mkdir(parents=True)
    (neighbour / "secret.txt").write_text(CANARY)
    document = Maker(seed, Ground(host.folder, host.url, neighbour)).make()
    before, around = host.read(), sorted(folder.iterdir())
    events: list[Event] = []
    with _at_most(LONGEST_CASE_SECONDS):
        error = _run_to_its_end(site, document, events)
    said = _list_said(site, events, error)
    found = [Finding(seed, f"the canary is in {where}") for where in said]
    if host.read() != before or sorted(folder.iterdir()) != around or (neighbour / "secret.txt").read_text() != CANARY:
        found.append(Finding(seed, "something outside was written"))
    found += [Finding(seed, f"somebody was contacted: {contact[:80]}") for contact in host.contacts]
    host.contacts.clear()
    shutil.rmtree(site.folder)
    return found


def _run_to_its_end(site: Site, document: Document, events: list[Event]) -> Exception | None:
    """Run a package; return why it failed, also where cwltool raises what it does not foresee."""
    try:
        return run_here(site, document, report=events.append)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 in a job, the process of the engine ends with it
        return error


def _list_said(site: Site, events: list[Event], error: Exception | None) -> Iterator[str]:
    """What has the canary of all that a job leaves: results, and the events and the diagnosis, which make its logs."""
    yield from find_canary(site.results, site.temp, site.state)
    text = json.dumps(Masker().mask_data([to_plain(event) for event in events]), default=str)
    if CANARY in text:
        yield f"an event: {text[max(0, text.index(CANARY) - 200) :][:300]}"
    reported = json.dumps(to_plain(error.diagnosis), default=str) if isinstance(error, RunnerError) else repr(error)
    if CANARY in reported:
        yield f"the error: {reported[:300]}"


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def give_up(*_: Any) -> None:
        raise TimeoutError(f"not ended after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_in_processes(first: int, count: int) -> list[Finding]:
    """Run many cases in as many processes as there are cores."""
    starts = range(first, first + count, _CASES_AT_ONCE)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        runs = [pool.submit(run_cases, start, min(_CASES_AT_ONCE, first + count - start)) for start in starts]
        return [found for run in runs for found in run.result()]


def test_no_package_of_some_hundred_reads_writes_contacts_or_learns_anything() -> None:
    assert run_cases(0, QUICK_CASES) == []


@pytest.mark.long
def test_no_package_of_thousands_reads_writes_contacts_or_learns_anything() -> None:
    assert run_in_processes(QUICK_CASES, MANY_CASES) == []


def test_the_fuzzer_finds_a_canary_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "o.txt").write_text(f"x{CANARY}x")
    site = Site(tmp_path, tmp_path / "cache")
    assert list(_list_said(site, [], None)) == [str(tmp_path / "results" / "o.txt")]
