"""The tables "When a job fails" of docs/kubernetes.md and docs/argo.md: each row is what a run really gave.

Each test of a diagnosis keeps its row true: it compares, or with `UPDATE_DOCS=1` writes. Beside it, what the cluster
itself reported and when: a diagnosis follows it, not a time limit. The delay is printed.
"""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.cluster import BROKEN_WORKSPACE, ENVIRON
from tests.site import Site
from tests.values import ROOT
from zoo_runner.model.diagnosis import Diagnosis

PAGE = ROOT / "docs" / "kubernetes.md"
ARGO_PAGE = ROOT / "docs" / "argo.md"
DIAGNOSE_PAGE = ROOT / "docs" / "diagnose.md"
# five on a machine that does nothing else; this is less than anything takes that only time ends
LONGEST_SECONDS = 15.0
WITNESS_SECONDS = 30.0
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_HIDDEN = (
    # a job's id, and the random end of a pod's name
    (
        rf"job-{_UUID}(-work(?=-[a-z]{{6}}\b))?(-[a-z0-9]{{5,6}}\b)?",
        lambda m: f"job-…{m[1] or ''}{'-…' if m[2] else ''}",
    ),
    # the number that Argo computes from a node's name
    (r"(?<=-job)-\d+\b", lambda _: "-…"),
    # the number of a workflow, and its pod's, in tests/live/test_diagnose.py
    (r"(?<=[a-z])-\d{6,9}(-main-\d+)?\b", lambda _: "-…"),
    (r"for \d{2} s$", lambda _: "for 30 s"),
    (r"ws-\S+-diagnose\b", lambda _: "science"),
    (r"\S+:\d+(?=/private/)", lambda _: "…"),
    (r"used: [^,]+", lambda _: "used: …"),
    (r"largest node has \S+ cores and \d+ MiB", lambda _: "largest node has … cores and … MiB"),
    # whichever of its permissions the job lacks first
    (r"^.*(pods is forbidden: User .* cannot) \w+ (resource)", lambda m: f"… {m[1]} … {m[2]}"),
    (rf"ws-{re.escape(BROKEN_WORKSPACE)}\b", lambda _: "ws-broken"),
)


def keep_row(what: str, found: Diagnosis, document: Path = PAGE) -> None:
    """Hold the row of a document that begins with `what` against a diagnosis, or write it."""
    message = " ".join(found.cause.split()).replace("|", "\\|")
    for pattern, shown in _HIDDEN:
        message = re.sub(pattern, shown, message)
    page = document.read_text()
    row = next((line for line in page.splitlines() if line.startswith(f"| {what} |")), None)
    assert row, f"{document.name} has no row {what!r}"
    found_by = row.split(" | ")[1]
    wanted = f"| {what} | {found_by} | {found.level} | `{found.code}` | {message} |"
    if ENVIRON.get("UPDATE_DOCS"):
        document.write_text(page.replace(row, wanted))
    else:
        assert row == wanted, f"{document.name} says something else; UPDATE_DOCS=1 writes what is printed"


@dataclass
class Witness:
    """What Kubernetes reported of the pods and objects of a namespace: by reason, when first."""

    first: dict[tuple[str, str], float] = field(default_factory=dict)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def take(self, kind: str, change: str, item: dict[str, Any]) -> None:
        """Note what an event or the state of a pod reports."""
        name = item["involvedObject"]["name"] if kind == "Event" else item["metadata"]["name"]
        with self._news:
            for reason, reported in _read_event(item) if kind == "Event" else _read_pod(change, item):
                known = self.first.setdefault((name, reason), reported)
                self.first[name, reason] = min(known, reported)
            self._news.notify_all()

    def when(self, job_id: str, *reasons: str) -> float:
        """When one of the reasons was last new for an object of the job; seconds since the epoch.

        The job may have heard of it before this witness did.
        """
        return self.when_of(f"job-{job_id}", *reasons)

    def when_of(self, name: str, *reasons: str) -> float:
        """When one of the reasons was last new for an object whose name begins so; seconds since the epoch."""

        def find() -> dict[str, float]:
            found: dict[str, float] = {}
            for (about, why), at in self.first.items():
                if why in reasons and about.startswith(name):
                    found[about] = min(at, found.get(about, at))
            return found

        with self._news:
            assert self._news.wait_for(find, WITNESS_SECONDS), (
                f"Kubernetes never reported {' or '.join(reasons)} of {name}, but of its objects"
                f" {sorted(reported for reported in self.first if reported[0].startswith(name))}"
            )
            return max(find().values())


def _read_event(event: dict[str, Any]) -> Iterator[tuple[str, float]]:
    reported = event.get("eventTime") or event.get("firstTimestamp") or event["metadata"]["creationTimestamp"]
    yield event["reason"], read_time(reported)


def _read_pod(change: str, pod: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Conditions and ends have times of their own; the watch reports other states as they come."""
    now, status = time.time(), pod.get("status", {})
    for one in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        state = one.get("state", {})
        if reason := state.get("waiting", {}).get("reason"):
            yield reason, now
        if (ended := state.get("terminated")) and ended.get("finishedAt"):
            yield ended.get("reason", ""), read_time(ended["finishedAt"])
    for condition in status.get("conditions") or ():
        if condition.get("reason") and condition.get("lastTransitionTime"):
            yield condition["reason"], read_time(condition["lastTransitionTime"])
    if status.get("reason"):
        yield status["reason"], now
    if change == "DELETED":
        yield "deleted", now


def read_time(text: str) -> float:
    """Read a time as Kubernetes and the job log write it, in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


@contextmanager
def witnessing(site: Site, namespace: str) -> Iterator[Witness]:
    """Watch a namespace while the block runs, with kubectl's eyes."""
    witness = Witness()

    def look(kind: str) -> None:
        for change, item in changes(site, kind, namespace, watchers):
            witness.take(kind, change, item)

    watchers: list[subprocess.Popen[str]] = []
    threads = [threading.Thread(target=look, args=(kind,), daemon=True) for kind in ("Pod", "Event")]
    for thread in threads:
        thread.start()
    try:
        yield witness
    finally:
        for watcher in tuple(watchers):
            watcher.terminate()
        for thread in threads:
            thread.join(5)


def changes(
    site: Site, kind: str, namespace: str, watchers: list["subprocess.Popen[str]"]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What `kubectl get --watch` prints, as it comes."""
    words = ("get", kind, "-n", namespace, "--watch", "--output-watch-events", "-o", "json")
    command = ["kubectl", f"--kubeconfig={site.environ['KUBECONFIG']}", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as watcher:
        watchers.append(watcher)
        assert watcher.stdout
        for change in map(json.loads, watcher.stdout):
            # what is there already comes as one list
            for item in change["object"].get("items", [change["object"]]):
                yield change["type"], item
