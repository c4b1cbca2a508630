"""What the calrissian engine tells of a job that it followed to its end before; no cluster is there."""

import json
from dataclasses import asdict
from pathlib import Path

from tests.values import settings_in
from zoo_runner.engines.calrissian import CalrissianEngine
from zoo_runner.engines.cluster.manifests import Names
from zoo_runner.engines.cluster.podlog import Ended, encode_line
from zoo_runner.jobs.cancellation import Cancellation
from zoo_runner.jobs.events import Event, Published
from zoo_runner.jobs.models import Results, Status

RESULTS = Results({"text": "a"}, {"type": "Collection"}, "s3://b/collection.json")


def test_a_job_that_ended_is_told_of_again_with_where_its_logs_are(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, ZOO_RUNNER_KUBERNETES_URL="http://127.0.0.1:9")
    record = settings.state / "j1"
    record.mkdir(parents=True)
    names = Names("ws-default", "job-j1", own_namespace=False)
    (record / "submission.json").write_text(json.dumps({"names": asdict(names), "job": {}, "objects": []}))
    told = Published("s3://b/logs/j1")
    (record / "story.txt").write_text("\n".join(encode_line(told)) + "\n")
    (record / "ended.json").write_text("\n".join(encode_line(Ended(RESULTS))))
    events: list[Event] = []
    outcome = CalrissianEngine(settings).reattach("j1", events.append, Cancellation())
    assert (outcome.status, outcome.results) == (Status.SUCCESSFUL, RESULTS)
    assert told in events
