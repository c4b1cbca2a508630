"""Small jobs of a scatter share pods of argo-native, on a real Argo Workflows: as if each had its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import NAMESPACE, kubectl, list_jobs
from tests.live.test_argo import once
from tests.live.test_argo_native import list_pods, site  # noqa: F401 a fixture
from tests.live.test_calrissian import wait_until_gone
from tests.servers import S3Server
from tests.site import Site, Story
from tests.steps import DEBIAN
from zoo_runner.execution.context import open_context
from zoo_runner.execution.retry import Changes, draft_retry
from zoo_runner.model.events import StepLines, StepStarted
from zoo_runner.model.job import Status

# what the jobs before it in a pod have left: exits with a code where there is something
ALONE = """
for one in /tmp/left /tmp/.left /var/tmp/left /dev/shm/left; do
  if [ -e $one ]; then echo "$one is there" >&2; exit 8; fi
done
for one in /proc/[0-9]*/comm; do
  read -r name < $one || continue
  if [ "$name" = sleep ]; then echo "a process of another job runs" >&2; exit 9; fi
done
mkdir /tmp/left
touch /tmp/.left /tmp/left/more /var/tmp/left /dev/shm/left
sleep 3000 > /dev/null 2>&1 &
"""


def write_many(folder: Path, script: str, number: int) -> Path:
    """A package of so many small jobs, whose script has the number of its job as its first word."""
    small = {"class": "ResourceRequirement", "coresMin": 0.05, "coresMax": 1, "ramMin": 32, "ramMax": 128}
    tool = {
        "class": "CommandLineTool",
        "id": "tool",
        "requirements": [{"class": "DockerRequirement", "dockerPull": DEBIAN}, small],
        "baseCommand": ["sh", "-c", script],
        "inputs": {"i": {"type": "int", "inputBinding": {}}},
        "stdout": "said.txt",
        "outputs": {"text": "stdout"},
    }
    join = {
        **tool,
        "id": "join",
        "baseCommand": ["cat"],
        "inputs": {"texts": {"type": "File[]", "inputBinding": {}}},
    }
    flow: dict[str, Any] = {
        "class": "Workflow",
        "id": "many",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"i": {"type": "int[]", "default": list(range(number))}},
        "steps": {
            "each": {"run": "#tool", "scatter": "i", "in": {"i": "i"}, "out": ["text"]},
            "join": {"run": "#join", "in": {"texts": "each/text"}, "out": ["text"]},
        },
        "outputs": {"text": {"type": "File", "outputSource": "join/text"}},
    }
    path = folder / "many.cwl"
    path.write_text(json.dumps({"cwlVersion": "v1.2", "$graph": [flow, tool, join]}))
    return path


def read_numbers(story: Story, s3: S3Server) -> list[int]:
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert story.outcome.results
    href: str = story.outcome.results.document["text"]["href"]
    return [int(line) for line in (s3.folder / href.removeprefix("s3://")).read_text().split()]


def test_jobs_that_share_a_pod_find_nothing_of_each_other_and_each_has_its_log(
    site: Site,  # noqa: F811 the fixture
    tmp_path: Path,
    s3: S3Server,
) -> None:
    job = site.accept(write_many(tmp_path, f"{ALONE} echo $0; echo log $0 >&2", 24), destination="s3://results/many")
    nodes: list[str] = []
    story = site.run(job, on=once(StepLines, lambda: nodes.extend(list_pods(site, job.id))))
    assert read_numbers(story, s3) == list(range(24))
    assert sorted(nodes) == ["stage-in", *["step-each"] * 10]
    for number in range(24):
        assert f"[each{f'_{number + 1}' if number else ''}] log {number}\n" in story.log
    assert {one.step for one in story.outcome.usage} >= {"each", "each_24", "join"}
    wait_until_gone(site, job.id)


def test_where_one_of_them_fails_a_retry_runs_it_and_not_those_before_it(
    site: Site,  # noqa: F811 the fixture
    tmp_path: Path,
    s3: S3Server,
    started_jobs: set[str],
) -> None:
    # succeeds in the job that continues this one, which has a folder of its own
    script = "[ $0 != 4 ] || [ -d /job/again-1 ] || exit 7; echo $0"
    job = site.accept(write_many(tmp_path, script, 24), destination="s3://results/many")
    failed = site.run(job).outcome.diagnosis
    assert failed
    assert (failed.code, failed.step) == ("step.exit-code", "each_5")
    context = open_context(site.configuration)
    draft = draft_retry(context, context.store.get(job.id), Changes(), site.workspace)
    story = site.run(draft)
    assert read_numbers(story, s3) == list(range(24))
    reused = {one.step for one in story.outcome.reused}
    # the first one of the pod of the job that failed
    assert "each_4" in reused
    assert "each_5" not in reused
    for job_id in (job.id, draft.id):
        wait_until_gone(site, job_id)
    started_jobs |= list_jobs(site)


@pytest.mark.long
def test_five_hundred_jobs_have_fifty_pods(site: Site, tmp_path: Path, s3: S3Server) -> None:  # noqa: F811 the fixture
    job = site.accept(write_many(tmp_path, "echo $0", 500), destination="s3://results/many")
    counts: list[int] = []

    def look() -> None:
        text = kubectl(site, "get", "workflow", f"job-{job.id}", "-n", NAMESPACE, "-o", "json")
        nodes = json.loads(text)["status"].get("nodes", {}).values()
        counts.append(sum(one["type"] == "Pod" and one.get("templateName") == "step-each" for one in nodes))

    story = site.run(job, on=once(StepStarted, look))
    assert read_numbers(story, s3) == list(range(500))
    assert counts == [50]
    wait_until_gone(site, job.id)
