"""The engines on a cluster give what the local engine gives in containers: every example package, same results.

Results document, collection and every file in the bucket are equal after one normalisation: tests/normal.py.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import find_argo, find_kubeconfig, join_cluster, list_jobs, serve_pods
from tests.live.node_trees import ShownInSteps, keep_tree
from tests.normal import timing
from tests.require import require
from tests.servers import S3Server
from tests.site import Site
from tests.values import EXAMPLES, PACKAGES
from zoo_runner.engines.protocol import Engine
from zoo_runner.model.job import Status

AT_ONCE = 4
ENGINES = ("calrissian", "argo", "argo-native")
IMAGES = ("docker.io/library/debian:bookworm-slim", "docker.io/zoo-runner/eo-tools:1")
PODMAN = {name: value for name, value in os.environ.items() if name.startswith("CONTAINERS_")}  # noqa: TID251 podman reads it
FEATURES = PACKAGES / "features"
FOLDERS = [
    *(EXAMPLES / name for name in ("echo", "vegetation", "water")),
    *sorted((EXAMPLES / "features").iterdir()),
    *sorted(path.parent for path in FEATURES.glob("*/expected.json")),
    *(PACKAGES / name for name in ("graph", "multi")),
]
CASES = {
    str(job_file.relative_to(EXAMPLES if folder.is_relative_to(EXAMPLES) else PACKAGES.parent)): job_file
    for folder in FOLDERS
    for job_file in sorted(folder.glob("inputs*"))
    # the same inputs once more for cwltool alone; and a tool that prints where its files lie, which is made up anew
    if job_file.name not in ("inputs-cwltool.yml", "inputs-all.yml")
}


def find_package(job_file: Path) -> str:
    folder = job_file.parent
    package = folder / f"{folder.name}.cwl"
    return f"{package}#{folder.name}" if folder.parent.name == "features" else str(package)


def run(site: Site, s3: S3Server, case: str, engine: Engine | None = None) -> dict[str, Any]:
    """Everything that a user gets of a job, normalised."""
    place = f"{site.settings.engine}/{case}"
    job_file = CASES[case]
    job = site.accept(find_package(job_file), job_file, destination=f"s3://results/{place}")
    with timing(job.id, job.destination) as timed:
        story = site.run(job, engine)
    assert story.outcome.status is Status.SUCCESSFUL, f"{site.settings.engine}: {story.outcome.diagnosis}"
    results = story.outcome.results
    assert results
    return {
        "document": timed.normalise(results.document),
        "collection": timed.normalise(results.collection),
        "href": timed.normalise(results.collection_href),
        "files": timed.list_files(s3.folder / "results" / place),
        "step logs": sorted(path.name for path in job.paths.log_folder.glob("*.log")),
    }


def run_with_tree(site: Site, s3: S3Server, case: str) -> dict[str, Any]:
    """The same, and the tree of its nodes where that is in docs/argo.md."""
    if site.settings.engine != "argo-native" or not CASES[case].is_relative_to(EXAMPLES):
        return run(site, s3, case)
    engine = ShownInSteps(site)
    return {**run(site, s3, case, engine), "tree": engine.tree}


Outcomes = Mapping[tuple[str, str], "Future[dict[str, Any]]"]


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, started_jobs: set[str]
) -> Iterator[Outcomes]:
    """Every case that was chosen, on the engine that was chosen and the local one, a few at once."""
    kubeconfig = find_kubeconfig()
    for image in IMAGES:
        words = ["podman", "image", "exists", image]
        require(
            bool(shutil.which("podman")) and subprocess.run(words, check=False).returncode == 0,
            f"podman or the image {image} is missing: `make images`",
        )
    folder = tmp_path_factory.mktemp("agree")
    params = [item.callspec.params for item in request.session.items if item.module is request.module]  # type: ignore[attr-defined]
    chosen = dict.fromkeys(pair for one in params for pair in ((one["case"], one["engine"]), (one["case"], "local")))
    if any(engine.startswith("argo") for _, engine in chosen):
        find_argo()
    (folder / "s3").mkdir()
    with serve_pods(folder / "s3", "some-secret-key") as s3, ThreadPoolExecutor(AT_ONCE) as pool:
        cluster = join_cluster(Site(folder, folder / "cache"), kubeconfig, s3)
        local = cluster.having(ZOO_RUNNER_ENGINE="local", ZOO_RUNNER_CONTAINERS="podman", **PODMAN)
        yield {
            (case, engine): pool.submit(
                run_with_tree, local if engine == "local" else cluster.having(ZOO_RUNNER_ENGINE=engine), s3, case
            )
            for case, engine in chosen
        }
    started_jobs |= list_jobs(cluster)


# on argo-native, one of each kind of step: each is a pod, which takes seconds; test_argo has some for argo
NATIVE = ("echo", "features/scatter", "features/conditional", "features/subworkflow", "features/outputs", "water")
USUAL = {("argo-native", case) for case in CASES if case.startswith(NATIVE)}
CHOSEN = [
    pytest.param(engine, case, marks=[] if engine == "calrissian" or (engine, case) in USUAL else [pytest.mark.long])
    for engine in ENGINES
    for case in CASES
]


@pytest.mark.parametrize(("engine", "case"), CHOSEN)
def test_an_engine_gives_what_the_local_one_gives(engine: str, case: str, outcomes: Outcomes) -> None:
    ours, theirs = outcomes[case, engine].result(), outcomes[case, "local"].result()
    tree = ours.pop("tree", None)
    assert ours["files"]
    assert ours == theirs
    if tree:
        keep_tree(case, tree)
