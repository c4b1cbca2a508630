"""What the calrissian engine tells of a job that it followed to its end before; no cluster is there."""

import json
from dataclasses import asdict
from pathlib import Path

from tests.values import configuration_in
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.engines.calrissian.pod_log import Ended, encode_line
from zoo_runner.engines.kubernetes.names import Names
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import Event, Published, StageStarted, StepEnded, StepLine
from zoo_runner.model.job import Results, Status

RESULTS = Results({"text": "a"}, {"type": "Collection"}, "s3://b/collection.json")


def test_the_whole_story_of_a_job_that_ended_is_told_again(tmp_path: Path) -> None:
    configuration = configuration_in(tmp_path, ZOO_RUNNER_KUBERNETES_URL="http://127.0.0.1:9")
    record = configuration.workspace.folders.state / "j1"
    record.mkdir(parents=True)
    names = Names("ws-default", "job-j1", own_namespace=False)
    (record / "submission.json").write_text(json.dumps({"names": asdict(names), "job": {}, "objects": []}))
    told: list[Event] = [
        StageStarted(Stage.EXECUTE, "echo (v1.2)"),
        StepLine("write", "50 %\r100 %"),
        StepEnded("write", 1.0, 2.5, 0, 0.5, 3.0),
        Published("s3://b/logs/j1"),
    ]
    (record / "story.txt").write_text("".join(f"{line}\n" for event in told for line in encode_line(event)))
    (record / "ended.json").write_text("\n".join(encode_line(Ended(RESULTS))))
    events: list[Event] = []
    outcome = CalrissianEngine(configuration).reattach("j1", events.append, Cancellation())
    assert (outcome.status, outcome.results) == (Status.SUCCESSFUL, RESULTS)
    assert events[: len(told)] == told
