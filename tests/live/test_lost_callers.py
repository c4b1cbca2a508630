"""A caller was lost: whoever comes next, with the same store and nothing but the job's id, ends the matter."""

import signal
from pathlib import Path

from tests.cluster import NAMESPACE, kubectl
from tests.live.relay import Point, relaying
from tests.live.test_calrissian import wait_until_gone
from tests.site import Site
from tests.steps import WAITS, let_go, write_package
from tests.values import FAILING
from tests.waiting import wait_for
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Status

SLOW = FAILING / "slow" / "slow.cwl"
SLEEPING = "[sleep] sleeping 120 s"


def read_log(site: Site, job_id: str) -> str:
    return "".join(path.read_text() for path in site.temp.glob(f"*_{job_id}_error.log"))


def lose_caller(site: Site) -> str:
    """Kill the caller of a job whose step has said its first line; the job's id."""
    job_id = f"lost-{new_job_id()}"
    with site.started("run", SLOW, "-i", "seconds=120", "-o", "s3://results/lost", "--job-id", job_id) as process:
        wait_for(lambda: SLEEPING in read_log(site, job_id))
        # each line is written to the job's log first
        wait_for(lambda: any("sleeping" in path.read_text() for path in site.temp.glob(f"*{job_id}/sleep.log")))
        process.send_signal(signal.SIGKILL)
    return job_id


def check_dismissed(site: Site, job_id: str) -> None:
    wait_until_gone(site, job_id)
    record = site.load_job(job_id)
    assert record.status is Status.DISMISSED
    assert SLEEPING in read_log(site, job_id)
    assert "sleeping" in (Path(record.log_folder) / "sleep.log").read_text()


def test_a_job_whose_caller_was_lost_is_cancelled_whole(site: Site) -> None:
    job_id = lose_caller(site)
    away = site.having(ZOO_RUNNER_KUBERNETES_URL="http://127.0.0.1:9").command("reattach", job_id)
    assert (away.returncode, "http://127.0.0.1:9 does not answer" in away.stderr) == (7, True), away.stderr
    # of the job that says nothing
    assert site.load_job(job_id).status is Status.RUNNING
    done = site.command("cancel", job_id)
    assert done.returncode == 0, done.stderr
    check_dismissed(site, job_id)


def test_ctrl_c_stops_a_job_that_is_followed_again(site: Site) -> None:
    job_id = lose_caller(site)
    with site.started("reattach", job_id) as process:
        assert process.stderr
        # what it reports first it has from the pod: by then it follows
        assert "execute" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    assert (process.returncode, "code: job.dismissed" in said) == (10, True), said
    check_dismissed(site, job_id)


def test_a_job_whose_caller_is_there_is_left_to_it(site: Site, tmp_path: Path) -> None:
    job_id, package = f"held-{new_job_id()}", write_package(tmp_path, WAITS)
    with site.started("run", package, "-o", "s3://results/held", "--job-id", job_id) as process:
        wait_for(lambda: "[work] begun" in read_log(site, job_id))
        done = site.command("reattach", job_id)
        selector = f"zoo-runner/job=job-{job_id},zoo-runner/role=step"
        let_go(site, NAMESPACE, kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "name").strip())
        process.communicate()
    assert done.returncode != 0
    assert "code: job.busy" in done.stderr
    assert process.returncode == 0
    assert site.load_job(job_id).status is Status.SUCCESSFUL


def test_a_stream_of_the_log_that_is_cut_off_costs_neither_the_job_nor_a_line(site: Site, tmp_path: Path) -> None:
    """As kubelet does after four hours, and the API where a kubelet is started anew."""
    package = write_package(tmp_path, "for i in 1 2 3 4 5 6; do echo line $i >&2; sleep 1; done; echo done")
    with relaying(site.environ["KUBECONFIG"], Point("end-of-log", 12), lambda: None) as (url, relay):
        through = site.having(ZOO_RUNNER_KUBERNETES_URL=url)
        story = through.run(through.accept(package, None, destination="s3://results/cut"))
    assert relay.killed.is_set(), relay.lines
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert [story.log.count(f"[work] line {number}\n") for number in range(1, 7)] == [1] * 6
