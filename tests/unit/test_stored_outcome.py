"""A job whose outcome is stored needs its engine no more; no cluster is there."""

from dataclasses import replace
from pathlib import Path

from tests.values import configuration_in, small_job
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.execution.recover import reattach_job
from zoo_runner.model.events import EngineLine, Event
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.masking import Masker
from zoo_runner.store.files import Records, new_record, with_outcome

RESULTS = Results({"text": "a"}, {"type": "Collection"}, "s3://b/collection.json")
NAMES = {"namespace": "ws-default", "job": "job-j1", "own_namespace": False}


def test_a_job_whose_outcome_is_stored_ends_with_it_and_keeps_its_log(tmp_path: Path) -> None:
    configuration = configuration_in(tmp_path, ZOO_RUNNER_KUBERNETES_URL="http://127.0.0.1:9")
    job = small_job(tmp_path)
    records = Records(configuration.workspace.folders.state, Masker())
    running = new_record(job, "calrissian").moved_to(Status.RUNNING)
    ended = with_outcome(running, Outcome(Status.SUCCESSFUL, RESULTS))
    handle = {"engine": "calrissian", "job_id": "j1", "data": {"names": NAMES, "uid": ""}}
    records.save(replace(ended, status=Status.RUNNING, handle=handle))
    job.paths.job_log.parent.mkdir(parents=True)
    job.paths.job_log.write_text("[write] half of the story\n")
    events: list[Event] = []
    outcome = reattach_job("j1", CalrissianEngine(configuration), configuration.workspace, events.append)
    assert (outcome.status, outcome.results) == (Status.SUCCESSFUL, RESULTS)
    assert records.load("j1").status is Status.SUCCESSFUL
    assert "[write] half of the story" in job.paths.job_log.read_text()
    [warning] = [event for event in events if isinstance(event, EngineLine)]
    assert "`zoo-runner gc`" in warning.text
