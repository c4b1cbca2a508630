"""Steps that print more than five times 10 MiB, what a kubelet keeps of a log: every line is there, in its order."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import find_argo, find_kubeconfig, join_cluster
from tests.live.test_calrissian import wait_until_gone
from tests.servers import S3Server
from tests.site import Site
from tests.steps import write_package
from tests.waiting import wait_for
from zoo_runner.model.events import StepLines
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Status

MANY = 1_500_000
PRINT = 'awk \'BEGIN {{for (i = {first}; i < {last}; i++) print "tile " i " of the mosaic is written"}}\' >&2'


@pytest.fixture(params=["calrissian", "argo", "argo-native"])
def engine_site(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> Site:
    if request.param != "calrissian":
        find_argo()
    joined = join_cluster(Site(tmp_path, tmp_path / "cache"), find_kubeconfig(), s3)
    return joined.having(ZOO_RUNNER_ENGINE=request.param)


def list_expected() -> Iterator[str]:
    return (f"tile {number} of the mosaic is written" for number in range(MANY))


def read_printed(log: Path) -> list[str]:
    """What the step printed, without what the runner says of its begin and end."""
    lines = log.read_text().splitlines()
    assert lines[0].startswith("$ ")
    assert lines[-1].startswith("ends: exit code 0")
    return lines[1:-1]


def test_every_line_of_a_step_is_there_in_its_order(engine_site: Site, tmp_path: Path, s3: S3Server) -> None:
    package = write_package(tmp_path, PRINT.format(first=0, last=MANY))
    job = engine_site.accept(package, None, destination=f"s3://results/{new_job_id()}")
    story = engine_site.run(job)
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    printed = read_printed(job.paths.step_log("work"))
    assert sum(map(len, printed)) > 5 * (10 << 20)
    assert printed == list(list_expected())
    # and in those that the pod has published
    folder = s3.folder / job.destination.removeprefix("s3://") / "logs"
    (published,) = folder.rglob("work.log")
    assert read_printed(published) == printed


def test_a_caller_that_comes_again_writes_each_line_once(site: Site, tmp_path: Path) -> None:
    half = MANY // 2
    # the second half comes when the first has been heard here
    script = f"{PRINT.format(first=0, last=half)}; sleep 5; {PRINT.format(first=half, last=MANY)}"
    job_id, package = f"again-{new_job_id()}", write_package(tmp_path, script)

    def find_log() -> Path | None:
        return next(iter(site.temp.glob(f"*{job_id}/work.log")), None)

    with site.started("run", package, "-o", "s3://results/again", "--job-id", job_id) as process:
        wait_for(lambda: (log := find_log()) is not None and log.stat().st_size > 1 << 20)
        process.send_signal(signal.SIGKILL)
    done = site.command("reattach", job_id)
    assert done.returncode == 0, done.stderr[-2000:]
    log = find_log()
    assert log
    assert read_printed(log) == list(list_expected())


def test_the_last_lines_of_a_step_that_runs_out_of_memory_are_there(site: Site, tmp_path: Path) -> None:
    script = f"{PRINT.format(first=0, last=100_000)}; echo the last line >&2; head -c 2000000000 /dev/zero | tail"
    job = site.accept(write_package(tmp_path, script, ramMax=64), None, destination="s3://results/memory")
    story = site.run(job)
    assert story.outcome.diagnosis
    assert story.outcome.diagnosis.code == "step.out-of-memory"
    lines = [line for event in story.events if isinstance(event, StepLines) for line in event.lines]
    assert lines.count("the last line") == 1
    assert lines[:100_000] == list(list_expected())[:100_000]
    wait_until_gone(site, job.id)
