"""Results of Hera workflows, downloaded from a real Argo Workflows with a real object store and real volumes."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import JOB_IMAGE, find_argo
from tests.live.artifact_repository import artifact_repository
from tests.live.hera_site import ACCOUNT, NAMESPACE, Hera, HeraSite, make_hera_site
from tests.live.line import line_to_cluster
from tests.servers import S3Server
from zoo_runner.engines.argo.results.folder import ResultsFolder, compute_sha256
from zoo_runner.hera.argo_server import ArgoServer
from zoo_runner.hera.results.listing import choose_claim
from zoo_runner.hera.results.reader_pod import ReaderPod, running_reader
from zoo_runner.hera.results.volume import Volume
from zoo_runner.hera.tokens import Tokens, open_cluster
from zoo_runner.model.errors import EngineError

SIZE = 50_000_000


WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: hera-artifacts-}
spec:
  entrypoint: all
  artifactRepositoryRef: {configMap: NAME, key: repository}
  templates:
  - name: all
    steps: [[{name: write, template: write}]]
  - name: write
    script:
      image: IMAGE
      command: [sh]
      source: |
        mkdir -p /tmp/folder/inner
        echo map >/tmp/map.txt
        echo one >'/tmp/folder/a b%20<c>.txt'
        echo two >/tmp/folder/inner/two.txt
        echo packed >/tmp/packed
    outputs:
      artifacts:
      - {name: map, path: /tmp/map.txt, archive: {none: {}}}
      - {name: folder, path: /tmp/folder, archive: {none: {}}}
      - {name: packed, path: /tmp/packed}
"""


@pytest.fixture
def store(hera_site: HeraSite, tmp_path: Path) -> Iterator[tuple[str, S3Server]]:
    with artifact_repository(hera_site, tmp_path / "s3") as repository:
        yield repository


@pytest.fixture
def workflow(hera: Hera, store: tuple[str, S3Server], tmp_path: Path) -> Iterator[str]:
    """A workflow that has ended and has a file, a folder and an archive as artifacts."""
    (tmp_path / "workflow.yaml").write_text(WORKFLOW.replace("NAME", store[0]).replace("IMAGE", JOB_IMAGE))
    done = hera("run", "workflow.yaml")
    assert done.returncode == 0, done.stderr
    name = done.stdout.partition(":")[0]
    yield name
    hera("delete", name)


def test_artifacts_are_listed_downloaded_with_checksums_and_not_downloaded_twice(
    hera: Hera, workflow: str, tmp_path: Path
) -> None:
    listed = json.loads(hera("results", workflow, "--format", "json").stdout)
    assert {one["name"] for one in listed["artifacts"]} == {"map", "folder", "packed"}
    done = hera("results", workflow, "--download", "out")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert (out / "write/map.txt").read_text() == "map\n"
    assert (out / "write/folder/a b%20<c>.txt").read_text() == "one\n"
    assert (out / "write/folder/inner/two.txt").read_text() == "two\n"
    assert (out / "write/packed.tgz").read_bytes()[:2] == b"\x1f\x8b"
    records = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {one["path"]: one["sha256"] for one in records} == {
        str(path.relative_to(out)): compute_sha256(path)
        for path in out.rglob("*")
        if path.is_file() and path.name != "results.jsonl"
    }
    before = {path: path.stat().st_ino for path in out.rglob("*") if path.is_file()}
    (out / "write/map.txt").write_text("bad\n")
    assert hera("results", workflow, "--download", "out").returncode == 0
    assert (out / "write/map.txt").read_text() == "map\n"
    assert {path for path, inode in before.items() if path.stat().st_ino != inode} == {out / "write/map.txt"}


def test_artifacts_that_a_pod_reads_are_those_that_the_server_gives(
    hera: Hera, hera_site: HeraSite, workflow: str, tmp_path: Path
) -> None:
    assert hera("results", workflow, "--download", "out").returncode == 0
    done = hera("results", workflow, "--download", "by-pod", "--by-pod", *IMAGE)
    assert done.returncode == 0, done.stderr
    found = {}
    for name in ("out", "by-pod"):
        files = [path for path in (tmp_path / name).rglob("*") if path.is_file() and path.name != "results.jsonl"]
        found[name] = {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files}
    assert len(found["out"]) == 4
    assert found["by-pod"] == found["out"]
    assert hera("results", workflow, "--download", "out", "--by-pod", *IMAGE).returncode == 0, "all are there"
    assert "zoo-runner-results" not in hera_site.kubectl("get", "workflows", "-o", "name")


LARGE = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: hera-large-}
spec:
  entrypoint: write
  artifactRepositoryRef: {configMap: NAME, key: repository}
  templates:
  - name: write
    script:
      image: IMAGE
      command: [sh]
      source: head -c SIZE /dev/urandom >/tmp/large.bin && sha256sum /tmp/large.bin
    outputs: {artifacts: [{name: large, path: /tmp/large.bin, archive: {none: {}}}]}
"""


def test_the_download_of_an_artifact_by_a_pod_is_continued_by_the_next_call(
    hera: Hera, hera_site: HeraSite, store: tuple[str, S3Server], tmp_path: Path
) -> None:
    text = LARGE.replace("NAME", store[0]).replace("IMAGE", JOB_IMAGE).replace("SIZE", str(SIZE))
    (tmp_path / "workflow.yaml").write_text(text)
    name = hera("run", "workflow.yaml").stdout.partition(":")[0]
    words = ("results", name, "--download", "out", "--by-pod", *IMAGE)
    break_off_and_go_on(hera_site, words, tmp_path, 5_000_000)
    (large,) = (tmp_path / "out").rglob("large.bin")
    assert compute_sha256(large) in hera("logs", name).stdout
    hera("delete", name)


@pytest.mark.parametrize("by_pod", [False, True], ids=["by the server", "by a pod"])
def test_an_artifact_that_is_gone_from_the_repository_is_named(
    hera: Hera, workflow: str, store: tuple[str, S3Server], by_pod: bool
) -> None:
    (gone,) = (store[1].folder / "results").rglob("map.txt")
    gone.unlink()
    done = hera("results", workflow, "--download", "out", *(("--by-pod", *IMAGE) if by_pod else ()))
    assert done.returncode == 7
    assert "results.artifact" in done.stderr
    assert "map of node write" in done.stderr


CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: NAME}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
"""

WRITES = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: hera-volume-}
spec:
  entrypoint: write
  volumes: [{name: data, persistentVolumeClaim: {claimName: NAME}}]
  templates:
  - name: write
    script:
      image: IMAGE
      command: [sh]
      volumeMounts: [{name: data, mountPath: /mnt/data}]
      source: |
        mkdir -p /mnt/data/out/inner /mnt/data/other
        head -c SIZE /dev/urandom >/mnt/data/out/large.bin
        sha256sum /mnt/data/out/large.bin
        echo two >"/mnt/data/out/inner/a b%20 ü.txt"
        echo no >/mnt/data/other/no.txt
        ln -s /etc/passwd /mnt/data/out/leads-outside
        ln -s inner /mnt/data/out/inside
        mkfifo /mnt/data/out/pipe
"""


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A workflow that has ended and has files on a volume; for all tests of this module, which only read them."""
    find_argo()
    site, name = make_hera_site(tmp_path_factory.mktemp("writer")), f"hera-claim-{time.time_ns()}"
    with site.applied(CLAIM.replace("NAME", name)):
        text = WRITES.replace("NAME", name).replace("SIZE", str(SIZE)).replace("IMAGE", JOB_IMAGE)
        (site.folder / "workflow.yaml").write_text(text)
        done = site.run("run", "workflow.yaml")
        assert done.returncode == 0, done.stderr
        workflow = done.stdout.partition(":")[0]
        yield workflow
        site.run("delete", workflow)


IMAGE = ("--set", f"results_image={JOB_IMAGE}")


def test_files_of_a_volume_are_downloaded_without_links_that_lead_outside(
    hera: Hera, hera_site: HeraSite, writer: str, tmp_path: Path
) -> None:
    done = hera("results", writer, "--download", "out", "--files", "/mnt/data/out", *IMAGE)
    assert done.returncode == 0, done.stderr
    (volume,) = (tmp_path / "out/volumes").iterdir()
    assert {str(path.relative_to(volume)) for path in volume.rglob("*") if path.is_file()} == {
        "out/large.bin",
        "out/inner/a b%20 ü.txt",
    }
    printed = hera("logs", writer).stdout
    assert compute_sha256(volume / "out/large.bin") in printed
    assert "zoo-runner-results" not in hera_site.kubectl("get", "jobs", "-o", "name")


def test_a_download_is_continued_after_each_break_of_the_connection(
    hera: Hera, hera_site: HeraSite, writer: str, tmp_path: Path
) -> None:
    cuts = (5_000_000, 20_000_000, 40_000_000)
    with line_to_cluster(hera_site.environ["KUBECONFIG"], tmp_path, *cuts) as (line, kubeconfig):
        words = ("results", writer, "--download", "out", "--files", "/mnt/data/out/large.bin", *IMAGE)
        done = hera(*words, "--set", f"KUBECONFIG={kubeconfig}", *token(hera_site))
        assert done.returncode == 0, done.stderr
        assert line.cuts == []
        assert SIZE < line.came_bytes < SIZE * 1.2
    (large,) = (tmp_path / "out").rglob("large.bin")
    assert compute_sha256(large) in hera("logs", writer).stdout


def test_a_download_whose_process_was_killed_is_continued_by_the_next(
    hera: Hera, hera_site: HeraSite, writer: str, tmp_path: Path
) -> None:
    words = ("results", writer, "--download", "out", "--files", "/mnt/data/out/large.bin", *IMAGE)
    break_off_and_go_on(hera_site, words, tmp_path)
    (large,) = (tmp_path / "out").rglob("large.bin")
    assert compute_sha256(large) in hera("logs", writer).stdout
    assert list((tmp_path / "out").rglob("*.part")) == []


def break_off_and_go_on(hera_site: HeraSite, words: tuple[str, ...], folder: Path, *cuts: int) -> None:
    """Kill a download to `out` in its midst; the next fetches no more than the rest, also where its line is cut."""
    kubeconfig = hera_site.environ["KUBECONFIG"]
    with (
        line_to_cluster(kubeconfig, folder, stands_still_at=SIZE // 2) as (line, through),
        hera_site.start(*words, "--set", f"KUBECONFIG={through}", *token(hera_site)) as process,
    ):
        assert line.still.wait(60)
        process.kill()
    (part,) = (folder / "out").rglob("*.part")
    there = part.stat().st_size
    assert 0 < there < SIZE
    with line_to_cluster(kubeconfig, folder, *cuts) as (line, through):
        done = hera_site.run(*words, "--set", f"KUBECONFIG={through}", *token(hera_site))
        assert done.returncode == 0, done.stderr
        assert line.came_bytes < SIZE - there + 1_000_000 + 3_000_000 * len(cuts)


def test_a_volume_answers_for_files_that_are_damaged_changed_missing_or_outside(
    hera_site: HeraSite, writer: str, tmp_path: Path
) -> None:
    configuration, folder = hera_site.configuration, ResultsFolder(tmp_path / "out")
    cluster = open_cluster(configuration)
    workflow = ArgoServer(configuration, Tokens(configuration)).get(writer)
    reader = ReaderPod(NAMESPACE, choose_claim(workflow, "").name, JOB_IMAGE, ACCOUNT)
    with running_reader(cluster, reader) as running:
        volume = Volume(cluster, reader, running)
        (file,) = volume.list_files("other")
        with folder.downloading(reader.find_place(file.path), reader.find_source(file.path, file.version)) as part:
            part.write(b"X")
        stored = volume.download(file, folder)
        assert (tmp_path / "out" / stored.path).read_text() == "no\n"
        codes = []
        for wrong in (replace(file, version="1-3-1", size=9), replace(file, path="other/nothing")):
            with pytest.raises(EngineError) as raised:
                volume.download(wrong, folder)
            codes.append(raised.value.diagnosis.code)
        for path in ("out/leads-outside", "../../etc/passwd", "out/pipe"):
            with pytest.raises(EngineError) as raised:
                volume.list_files(path)
            codes.append(raised.value.diagnosis.code)
        assert codes == ["results.changed", "results.not-found", *["results.refused"] * 3]
        stranger = Volume(cluster, reader, replace(running, token="guessed"))
        with pytest.raises(EngineError):
            stranger.list_files("other")


@pytest.mark.parametrize(
    ("claim", "image", "code"),
    [("no-such-claim", JOB_IMAGE, "cluster.volume"), ("", "docker.io/zoo-runner/nothing:1", "results.reader")],
)
def test_a_reader_that_cannot_start_says_why(claim: str, image: str, code: str, hera: Hera, writer: str) -> None:
    done = hera(
        *("results", writer, "--download", "out", "--files", ".", "--claim", claim, "--set", f"results_image={image}")
    )
    assert done.returncode == 7
    assert code in done.stderr


def token(hera_site: HeraSite) -> tuple[str, ...]:
    """The options with a token, for a kubeconfig that logs in to nothing."""
    return ("--set", f"argo_token={Tokens(hera_site.configuration)()}")
