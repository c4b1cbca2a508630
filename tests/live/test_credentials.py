"""Credentials of a job are in its one Secret while it lives, and nowhere after: objects, logs, records, etcd."""

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from hashlib import sha256
from typing import Any

import pytest

from tests.cluster import NAMESPACE, find_kubeconfig, join_cluster, kubectl, list_jobs, serve_pods
from tests.etcd import Etcd
from tests.servers import S3Server
from tests.site import LONGEST_SECONDS, Site, Story
from tests.steps import let_go
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.logs import LogReader
from zoo_runner.engines.kubernetes.owners import find_step
from zoo_runner.engines.kubernetes.pods import has_started
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.model.events import Event, StageStarted, StepLines
from zoo_runner.model.job import Status

# one for each way that credentials arrive; base64 of any alignment holds the middle of them
CANARIES = {
    name: f"canary-{name}-7f3a9c51e0d24b68" for name in ("stagein", "stageout", "bucket", "host", "handler", "input")
}
KINDS = (
    "jobs,pods,secrets,configmaps,persistentvolumeclaims,persistentvolumes,events,serviceaccounts,roles,rolebindings,"
    "networkpolicies,resourcequotas,namespaces,endpoints,services,controllerrevisions,leases,replicasets"
)
SNOOP = """
cwlVersion: v1.2
$namespaces: {cwltool: "http://commonwl.org/cwltool#"}
$graph:
  - class: Workflow
    id: snoop
    inputs: {note: File, other: File, word: string}
    outputs: {seen: {type: File, outputSource: look/seen}, digests: {type: File, outputSource: enter/digests}}
    steps:
      look: {run: "#look", in: {note: note, other: other}, out: [seen]}
      enter: {run: "#enter", in: {word: word}, out: [digests]}
  - class: CommandLineTool
    id: enter
    requirements:
      cwltool:Secrets: {secrets: [word]}
      DockerRequirement: {dockerPull: "docker.io/library/debian:bookworm-slim"}
      ResourceRequirement: {coresMin: 0.1, ramMin: 64}
      EnvVarRequirement: {envDef: {WORD: "$(inputs.word)"}}
      InitialWorkDirRequirement: {listing: [{entryname: word.txt, entry: "$(inputs.word)"}]}
    # its pod is there for longer than kubelet takes to say that it runs: else nobody could read its log
    baseCommand: [sh, -c, 'for text in "$0" "$WORD" "$(cat word.txt)"; do printf %s "$text" | sha256sum; done; sleep 4']
    stdout: digests.txt
    inputs: {word: {type: string, inputBinding: {position: 1}}}
    outputs: {digests: stdout}
  - class: CommandLineTool
    id: look
    requirements:
      DockerRequirement: {dockerPull: "docker.io/library/debian:bookworm-slim"}
      ResourceRequirement: {coresMin: 0.1, ramMin: 64}
    baseCommand:
      - sh
      - -c
      - |
        mkfifo /var/tmp/go; echo looking >&2; env >&2; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' >&2
        cat /var/run/secrets/kubernetes.io/serviceaccount/token >&2 2>/dev/null
        grep -r canary /job /etc /run /tmp /proc/1/environ 2>/dev/null >&2
        cat "$0" "$1"; read go < /var/tmp/go
    stdout: seen.txt
    inputs:
      note: {type: File, inputBinding: {position: 1}}
      other: {type: File, inputBinding: {position: 2}}
    outputs: {seen: stdout}
"""


def forms(secret: str) -> list[bytes]:
    """How a secret may look where it leaked: plain, reversed by nobody, in base64 whatever stands before it."""
    plain = secret.encode()
    shifted = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, *shifted]


def find_canaries(data: bytes | str) -> set[str]:
    """The ways whose credentials are in the data."""
    found = data.encode() if isinstance(data, str) else data
    return {name for name, secret in CANARIES.items() if any(form in found for form in forms(secret))}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, S3Server]]:
    """A store with credentials of its own for sources, for one bucket of them, and for results."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("stagein", "bucket", "stageout")}
    with (
        serve_pods(folders["stagein"], CANARIES["stagein"]) as sources,
        serve_pods(folders["bucket"], CANARIES["bucket"]) as bucket,
        serve_pods(folders["stageout"], CANARIES["stageout"]) as results,
    ):
        yield {"stagein": sources, "bucket": bucket, "stageout": results}


@pytest.fixture(scope="module")
def caller(
    tmp_path_factory: pytest.TempPathFactory, stores: dict[str, S3Server], started_jobs: set[str]
) -> Iterator[Site]:
    """An installation with every kind of credential."""
    folder, private = tmp_path_factory.mktemp("caller"), tmp_path_factory.mktemp("private")
    source, bucket = stores["stagein"].options, stores["bucket"].options
    buckets, hosts = private / "buckets.json", private / "hosts.json"
    buckets.write_text(
        json.dumps(
            {
                "own": {
                    "endpoint": bucket.endpoint,
                    "access_key_id": bucket.access_key_id,
                    "secret_access_key": bucket.secret_access_key,
                }
            }
        )
    )
    hosts.write_text(json.dumps({"https://store.example": {"bearer_token": CANARIES["host"]}}))
    joined = join_cluster(
        Site(folder, folder / "cache"),
        find_kubeconfig(),
        stores["stageout"],
        STAGEIN_AWS_SERVICEURL=str(source.endpoint),
        STAGEIN_AWS_ACCESS_KEY_ID=str(source.access_key_id),
        STAGEIN_AWS_SECRET_ACCESS_KEY=str(source.secret_access_key),
        STAGEIN_BUCKETS_FILE=str(buckets),
        STAGEIN_HOSTS_FILE=str(hosts),
        # as a handler's get_additional_parameters brings them in
        STAGEOUT_SITE_TOKEN=CANARIES["handler"],
    )
    yield joined
    started_jobs |= list_jobs(joined)


class Seen:
    """What can be seen of a job from outside: every object at each of its stages, and the whole log of each pod."""

    def __init__(self, site: Site, job_id: str) -> None:
        self._site, self._job_id = site, job_id
        self._cluster = Cluster(site.configuration.kubernetes)
        self._readers = list[LogReader]()
        # the pod of the step, once its log is read here
        self._step, self._heard = "", threading.Event()
        self.holders: dict[str, set[str]] = {}
        self.logs: dict[str, list[str]] = {}

    def look(self, event: Event) -> None:
        if isinstance(event, StageStarted) or (isinstance(event, StepLines) and "looking" in event.lines):
            self.search_objects()
        if isinstance(event, StepLines) and "looking" in event.lines:
            assert self._heard.wait(LONGEST_SECONDS), "no line of the step has arrived"
            let_go(self._site, NAMESPACE, self._step)

    def start_reading(self) -> None:
        """Follow each pod's log from its start, however long a search takes meanwhile."""
        self._stop = self._cluster.watch(NAMESPACE, f"job-{self._job_id}", ("Pod",), self._look_at_pod)

    def _look_at_pod(self, change: Change | WatchFailed) -> None:
        assert isinstance(change, Change)
        pod = change.item
        self._search(pod)
        name = pod["metadata"]["name"]
        if name not in self.logs and has_started(pod):
            self.logs[name] = []
            container = "step" if find_step(pod) else "job"
            take = lambda lines: self._read(name, lines)  # noqa: E731
            self._readers.append(self._cluster.read_log(NAMESPACE, name, take, container=container))

    def _read(self, pod: str, lines: list[str]) -> "Future[None]":
        self.logs[pod] += lines
        if "looking" in lines:
            self._step = pod
            self._heard.set()
        taken: Future[None] = Future()
        taken.set_result(None)
        return taken

    def close(self) -> None:
        for reader in self._readers:
            reader.note_end()
            with contextlib.suppress(ApiError):  # the pod has gone
                reader.done.result(20)
        self._stop()
        self._cluster.close()

    def search_objects(self) -> None:
        for item in json.loads(kubectl(self._site, "get", KINDS, "-A", "-o", "json"))["items"]:
            self._search(item)

    def _search(self, item: dict[str, Any]) -> None:
        if found := find_canaries(json.dumps(item)):
            self.holders.setdefault(f"{item['kind']}/{item['metadata']['name']}", set()).update(found)


@pytest.fixture(scope="module")
def watched(caller: Site, stores: dict[str, S3Server]) -> tuple[Story, Seen]:
    """A job that uses all the credentials and whose tool looks for them, and what was seen of it."""
    package = caller.folder / "snoop.cwl"
    package.write_text(SNOOP)
    words = [
        f"{name}={json.dumps({'class': 'File', 'location': url})}"
        for name, url in (
            ("note", stores["stagein"].put("source", "note.txt", b"a note\n")),
            ("other", stores["bucket"].put("own", "other.txt", b"another\n")),
        )
    ]
    words.append(f"word={CANARIES['input']}")
    job = caller.accept(package, None, *words, destination="s3://results/canary")
    seen = Seen(caller, job.id)
    with contextlib.closing(seen):
        seen.start_reading()
        story = caller.run(job, on=seen.look)
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    return story, seen


def test_of_all_objects_only_the_secret_of_the_job_holds_credentials(watched: tuple[Story, Seen]) -> None:
    story, seen = watched
    # that all of them are there shows that the search finds them
    assert seen.holders == {f"Secret/job-{story.job.id}-staging": set(CANARIES)}


def test_no_pod_said_a_credential_and_no_tool_could_find_one(watched: tuple[Story, Seen]) -> None:
    _, seen = watched
    assert sorted(any(line == "looking" for line in log) for log in seen.logs.values()) == [False, False, True]
    assert any("[look] looking" in log for log in seen.logs.values())
    assert {pod for pod, log in seen.logs.items() if find_canaries("\n".join(log))} == set()


def test_a_secret_input_reaches_the_step_that_is_given_it(
    stores: dict[str, S3Server], watched: tuple[Story, Seen]
) -> None:
    [digests] = stores["stageout"].folder.rglob("digests.txt")
    digest = sha256(CANARIES["input"].encode()).hexdigest()
    assert digests.read_text().split()[::2] == [digest] * 3, "as argument, variable and file"


def test_no_file_of_the_caller_and_no_result_holds_a_credential(
    caller: Site, stores: dict[str, S3Server], watched: tuple[Story, Seen]
) -> None:
    story, _ = watched
    assert "looking" in story.log
    files = [
        path for place in (caller.folder, stores["stageout"].folder) for path in place.rglob("*") if path.is_file()
    ]
    assert {path.suffix for path in files} >= {".log", ".json", ".txt"}
    assert {path: found for path in files if (found := find_canaries(path.read_bytes()))} == {}


def test_no_object_holds_a_credential_after_the_job(caller: Site, watched: tuple[Story, Seen]) -> None:
    after = Seen(caller, watched[0].job.id)
    after.search_objects()
    assert after.holders == {}


def test_etcd_holds_no_credential_once_it_has_forgotten_the_past(caller: Site, watched: tuple[Story, Seen]) -> None:
    """Its write-ahead log keeps what was written for a while longer (docs/kubernetes.md)."""
    etcd = Etcd(find_kubeconfig())
    before = find_canaries(etcd.read_disk())
    etcd.forget()
    assert find_canaries(etcd.read_keys()) == set()
    assert find_canaries(etcd.read_disk()) == set()
    assert before == set(CANARIES), "the search does not find what was there"
