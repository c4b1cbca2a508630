"""Real containers through podman; dev/images/build.sh makes the images that these packages name."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy
import pytest
import rasterio  # type: ignore[import-untyped]

from tests.contract.test_linked_outputs import CASES, check_linked_output
from tests.site import Site, find_supervisors, wait_until_none_is_left
from tests.values import EXAMPLES, FAILING, PACKAGES, ROOT
from tests.waiting import wait_for
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import StepStarted
from zoo_runner.model.job import Status

CONTAINERS_CONF = ROOT / "dev" / "images" / "containers.conf"
IMAGES = ("docker.io/library/debian:bookworm-slim", "docker.io/zoo-runner/eo-tools:1")


def run_podman(*words: str) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": os.defpath, "HOME": str(Path.home()), "CONTAINERS_CONF": str(CONTAINERS_CONF)}
    return subprocess.run(["podman", *words], env=environ, capture_output=True, text=True, check=False, timeout=120)


def why_not() -> str | None:
    try:
        answer = run_podman("info")
    except FileNotFoundError:
        return "podman is not installed"
    if answer.returncode != 0:
        return "podman does not answer"
    missing = [image for image in IMAGES if run_podman("image", "exists", image).returncode != 0]
    return f"images are missing: {', '.join(missing)}; run dev/images/build.sh" if missing else None


@pytest.fixture(scope="module", autouse=True)
def podman() -> None:
    reason = why_not()
    if reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)  # noqa: TID251 the rule of CI


@pytest.fixture
def podman_site(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    cache = tmp_path_factory.getbasetemp() / "live-packages"
    return Site(
        tmp_path,
        cache,
        {"ZOO_RUNNER_CONTAINERS": "podman", "CONTAINERS_CONF": str(CONTAINERS_CONF), "HOME": str(Path.home())},
    )


def list_containers(folder: Path) -> set[str]:
    """The containers that have something of a folder mounted."""
    every = run_podman("ps", "--all", "--quiet", "--no-trunc").stdout.split()
    shown = run_podman("inspect", "--format", "{{.Id}}{{range .Mounts}} {{.Source}}{{end}}", *every).stdout
    return {line.split()[0] for line in shown.splitlines() if f" {folder}/" in line}


def normalise(node: Any, folder: Path) -> Any:
    """What is equal for two runs of one package on the same data.

    Replaced: the job's id, the folder of the results, times of the run. Left out: checksums, sizes and the versions of
    software, because pictures hold the version of what drew them; `usage` of machines. Numbers are rounded to nine
    digits, since two builds of one numeric library may add in another order.
    """
    if isinstance(node, Mapping):
        kept = {key: value for key, value in node.items() if not _LEFT_OUT.search(key)}
        return {key: normalise(value, folder) for key, value in sorted(kept.items())}
    if isinstance(node, list):
        return [normalise(item, folder) for item in node]
    if isinstance(node, float):
        return float(f"{node:.9g}")
    if not isinstance(node, str):
        return node
    text = node.replace(str(folder), "<results>")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<job>", text)
    return re.sub(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "<time of the run>", text)


_LEFT_OUT = re.compile(r"checksum|file:size|^created$|^updated$|software")


def read_results(folder: Path) -> dict[str, Any]:
    """What lies in a folder, by name: JSON normalised, texts as they are, the pixels of rasters, the kind of others."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".geojson"):
            found[str(path.relative_to(folder))] = normalise(json.loads(path.read_text()), folder)
        elif path.suffix in (".csv", ".txt"):
            found[str(path.relative_to(folder))] = path.read_text()
        elif path.suffix == ".tif":
            found[str(path.relative_to(folder))] = read_pixels(path)
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.suffix
    return found


def read_pixels(path: Path) -> tuple[tuple[int, ...], str, str]:
    """Shape, type and digest of the pixels; fractions are rounded as numbers in documents are, to what floats hold."""
    with rasterio.open(path) as raster:
        pixels = raster.read()
    rounded = numpy.round(pixels, 6) if pixels.dtype.kind == "f" else pixels
    return rounded.shape, str(rounded.dtype), sha256(rounded.tobytes()).hexdigest()


@pytest.mark.parametrize("name", ["vegetation", "water"])
def test_a_package_gives_equal_results_in_containers_and_without(name: str, podman_site: Site) -> None:
    found = {}
    documents = {}
    for containers in ("podman", "none"):
        own = Site(
            podman_site.folder / containers,
            podman_site.cache,
            {**podman_site.more, "ZOO_RUNNER_CONTAINERS": containers},
        )
        own.folder.mkdir()
        job = own.accept(EXAMPLES / name / f"{name}.cwl", EXAMPLES / name / "inputs.yml")
        story = own.run(job)
        assert story.outcome.status is Status.SUCCESSFUL, story.log
        assert story.outcome.results is not None
        found[containers] = read_results(own.results)
        documents[containers] = normalise(story.outcome.results.document, own.results)
        assert own.results.exists()
    assert documents["podman"] == documents["none"]
    assert found["podman"] == found["none"]
    assert len(found["podman"]) > 3


def test_what_cannot_be_measured_in_a_container_is_null(podman_site: Site) -> None:
    story = podman_site.run(podman_site.accept(EXAMPLES / "echo" / "echo.cwl", EXAMPLES / "echo" / "inputs.yml"))
    assert story.outcome.status is Status.SUCCESSFUL
    # a tool smaller than the process that watches it: what is measured is not its own
    assert [(step.exit_code, step.peak_memory_mib) for step in story.outcome.usage] == [(0, None)]


def test_an_image_that_cannot_be_read_is_named_with_what_to_do(podman_site: Site) -> None:
    outcome = podman_site.run(podman_site.accept(FAILING / "image-missing" / "image-missing.cwl")).outcome
    assert outcome.exit_code == 7
    assert outcome.diagnosis is not None
    assert "docker.io/zoo-runner/does-not-exist:1" in outcome.diagnosis.cause
    assert "name" in outcome.diagnosis.remedy or "dockerPull" in outcome.diagnosis.remedy


def test_a_container_is_removed_when_its_job_is_cancelled(podman_site: Site) -> None:
    cancellation = Cancellation()
    during: set[str] = set()

    def cancel(event: object) -> None:
        if isinstance(event, StepStarted):
            during.update(wait_for_container(podman_site.folder))
            cancellation.cancel()

    story = podman_site.run(podman_site.accept(FAILING / "slow" / "slow.cwl"), cancellation=cancellation, on=cancel)
    assert story.outcome.status is Status.DISMISSED
    assert during
    assert list_containers(podman_site.folder) == set()


def test_a_container_is_removed_when_its_caller_is_killed(podman_site: Site) -> None:
    with podman_site.started("run", FAILING / "slow" / "slow.cwl", "-o", podman_site.results) as process:
        assert process.stderr
        assert any("step sleep begins" in line for line in process.stderr)
        during = wait_for_container(podman_site.folder)
        process.kill()
    assert during
    assert wait_until_none_is_left(podman_site.folder)
    assert list_containers(podman_site.folder) == set()


@pytest.mark.parametrize("isolation", ["trusted", "isolated"])
@pytest.mark.parametrize("killed", ["supervisor", "both"])
def test_a_container_is_removed_when_its_supervisor_is_killed(killed: str, isolation: str, podman_site: Site) -> None:
    site = podman_site.having(ZOO_RUNNER_ISOLATION=isolation)
    with site.started("run", FAILING / "slow" / "slow.cwl", "-o", site.results) as process:
        assert process.stderr
        assert any("step sleep begins" in line for line in process.stderr)
        during = wait_for_container(site.folder)
        (supervisor,) = find_supervisors(process.pid)
        if killed == "both":
            process.kill()
        os.kill(supervisor, signal.SIGKILL)
        reported = process.stderr.read()
    assert during
    if killed == "both":
        (job,) = json.loads(site.command("jobs", "--format", "json").stdout)
        reported = site.command("reattach", job["jobID"], "--quiet").stderr
    assert ("job.lost" if killed == "both" else "engine.killed") in reported
    assert list_containers(site.folder) == set()


def wait_for_container(folder: Path) -> set[str]:
    """The containers of a job, once there are some."""
    found: set[str] = set()

    def look() -> set[str]:
        found.update(list_containers(folder))
        return found

    wait_for(look)
    return found


def test_no_credential_reaches_a_container(podman_site: Site) -> None:
    package = podman_site.folder / "environ.cwl"
    text = (PACKAGES / "probe" / "environ.cwl").read_text().partition("baseCommand:")[0]
    package.write_text(
        f"{text}hints: {{DockerRequirement: {{dockerPull: 'docker.io/library/debian:bookworm-slim'}}}}\n"
        "baseCommand: env\nstdout: environ.txt\ninputs: []\noutputs: {text: stdout}\n"
    )
    caller = podman_site.having(AWS_SECRET_ACCESS_KEY="canary-in-a-container")
    done = caller.command("run", package, "-o", podman_site.results)
    assert done.returncode == 0, done.stderr
    printed = (podman_site.results / "text" / "environ.txt").read_text()
    assert "HOME=" in printed
    assert "canary" not in printed


@pytest.mark.parametrize("case", CASES)
def test_a_link_to_an_input_is_the_content_of_the_input(case: str, podman_site: Site) -> None:
    check_linked_output(podman_site, case, hints={"DockerRequirement": {"dockerPull": IMAGES[0]}})


@pytest.mark.parametrize(("version", "asks"), [("v1.0", False), ("v1.2", False), ("v1.2", True)])
def test_an_isolated_container_has_no_privileges_and_the_network_only_if_its_package_asks(
    version: str, asks: bool, podman_site: Site
) -> None:
    script = "cat /proc/self/status /proc/net/dev"
    document: dict[str, Any] = {
        "cwlVersion": version,
        "class": "CommandLineTool",
        "id": "seen",
        "inputs": [],
        "stdout": "seen.txt",
    }
    document |= {"baseCommand": ["sh", "-c", script], "outputs": [{"id": "seen", "type": "stdout"}]}
    if asks:
        document["requirements"] = {"NetworkAccess": {"networkAccess": True}}
    package = podman_site.folder / "seen.cwl"
    package.write_text(json.dumps(document))
    asked = podman_site.having(ZOO_RUNNER_ISOLATION="isolated", ZOO_RUNNER_SANDBOX_NETWORK="asked")
    done = asked.command("run", package, "-o", asked.results)
    assert done.returncode == 0, done.stderr
    log = Path(re.findall(r"^log (.*)$", done.stderr, re.MULTILINE)[0]).read_text()
    assert len([line for line in log.splitlines() if "'seen'" in line and IMAGES[0] in line]) == 1
    seen = (asked.results / "seen" / "seen.txt").read_text()
    assert set(re.findall(r"^Cap\w+:\s*(\w+)", seen, re.MULTILINE)) == {"0" * 16}
    assert "NoNewPrivs:\t1" in seen
    interfaces = set(re.findall(r"^ *(\w+):", seen.partition("Inter-")[2], re.MULTILINE))
    assert bool(interfaces - {"lo"}) == asks


def test_a_tool_without_an_image_has_the_folders_of_a_container_too(podman_site: Site) -> None:
    same = 'test "$HOME" = $(runtime.outdir) && test "$TMPDIR" = $(runtime.tmpdir) && : > $(runtime.tmpdir)/x'
    document = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "requirements": [{"class": "ShellCommandRequirement"}],
        "arguments": [{"valueFrom": f"{same} && echo $HOME", "shellQuote": False}],
        "inputs": [],
        "stdout": "seen.txt",
        "outputs": [{"id": "seen", "type": "stdout"}],
    }
    package = podman_site.folder / "folders.cwl"
    package.write_text(json.dumps(document))
    isolated = podman_site.having(ZOO_RUNNER_ISOLATION="isolated")
    done = isolated.command("run", package, "-o", isolated.results)
    assert done.returncode == 0, done.stderr
    assert str(isolated.folder) not in (isolated.results / "seen" / "seen.txt").read_text()


@pytest.mark.parametrize("job_file", sorted(EXAMPLES.rglob("inputs.yml")), ids=lambda path: path.parent.name)
def test_an_example_runs_in_isolated_mode(job_file: Path, podman_site: Site) -> None:
    [package] = job_file.parent.glob("*.cwl")
    isolated = podman_site.having(ZOO_RUNNER_ISOLATION="isolated")
    plan = json.loads(isolated.command("plan", package, job_file, "--format", "json").stdout)
    assert {step["place"] for step in plan["submission"]["steps"]} <= {"container"}
    done = isolated.command("run", package, job_file, "-o", isolated.results)
    assert done.returncode == 0, done.stderr
    assert "(--isolation)" not in done.stderr
