"""Prometheus itself reads the alarms, and each fires on what it is about and on nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.measuring import read_alarms
from tests.prometheus import promtool, write_rules


@dataclass(frozen=True)
class Case:
    """Series, a value each `step`, and whether an alarm fires so many minutes later.

    `series` are in the form of promtool: `0+60x30` is 0 and 30 further values, each larger by 60.
    """

    name: str
    alarm: str
    series: Mapping[str, str]
    minute: int
    says: str = ""
    """The summary of the alarm; empty: it does not fire."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the alarm besides its severity."""
    step: str = "1m"


WORKER, WORKER_LABELS = '{instance="w:9464"}', {"instance": "w:9464"}
HOUR, DAY = 60, 24 * 60


def _idle(nothing: str = "7x40", away: str = "0x40", jobs: str = "0x40", oldest: str = "400x40") -> dict[str, str]:
    return {
        f"zoo_runner_worker_jobs{WORKER}": jobs,
        f"zoo_runner_worker_queue_oldest_seconds{WORKER}": oldest,
        'zoo_runner_worker_looks_total{instance="w:9464",outcome="nothing"}': nothing,
        'zoo_runner_worker_looks_total{instance="w:9464",outcome="failed"}': "0+9x40",
        f"zoo_runner_worker_jobs_away{WORKER}": away,
        # another worker, which works, says nothing about this one
        'zoo_runner_worker_jobs{instance="v:9464"}': "3x40",
        'zoo_runner_worker_looks_total{instance="v:9464",outcome="nothing"}': "0+9x40",
    }


def _requests(path: str, failed: str, status: str = "503") -> dict[str, str]:
    return {
        'zoo_runner_requests_total{path="/jobs",method="GET",status="200"}': "0+50x60",
        f'zoo_runner_requests_total{{path="{path}",method="GET",status="{status}"}}': failed,
    }


def _times(path: str) -> dict[str, str]:
    # one of four is answered within a second, all within 2.5
    return {
        f'zoo_runner_request_seconds_bucket{{path="{path}",method="GET",le="{limit}"}}': values
        for limit, values in {"0.5": "0+1x60", "1.0": "0+1x60", "2.5": "0+4x60", "+Inf": "0+4x60"}.items()
    }


def _descriptors(count: int, mark: str) -> dict[str, str]:
    return {f"process_open_fds{WORKER}": f"{count}x30", f"process_max_fds{WORKER}": "1000x30", mark: "4x30"}


def _restarts(values: str, namespace: str = "zoo-runner", pod: str = "zoo-runner-api-1") -> dict[str, str]:
    return {f'kube_pod_container_status_restarts_total{{namespace="{namespace}",pod="{pod}"}}': values}


def _messages(values: str, outcome: str = "dead") -> dict[str, str]:
    return {f'zoo_runner_ingest_messages_total{{instance="i:9464",outcome="{outcome}"}}': values}


BACKUP = '{namespace="zoo-runner",cronjob="zoo-runner-backup"}'
BACKUP_LABELS = {"namespace": "zoo-runner", "cronjob": "zoo-runner-backup"}
SOURCE = 'zoo_runner_harvest_last_success_timestamp_seconds{source="https://git.example.org/a.git",workspace="alpha"}'
(DEAD,) = [one["annotations"]["summary"] for one in read_alarms() if one["alert"] == "ZooRunnerMessageDead"]
DEAD_LABELS = {"instance": "i:9464", "outcome": "dead"}

CASES = [
    Case("nobody", "ZooRunnerDown", {'up{job="api"}': "0x20"}, 5, "No server of zoo-runner answers."),
    Case("nobody-for-a-moment", "ZooRunnerDown", {'up{job="api"}': "0x20"}, 4),
    Case(
        "went-away",
        "ZooRunnerDown",
        {"zoo_runner_queue_oldest_seconds": "0x5 stale"},
        11,
        "No server of zoo-runner answers.",
    ),
    Case("one-of-two-answers", "ZooRunnerDown", {'zoo_runner_queue_oldest_seconds{instance="b"}': "0x20"}, 10),
    Case(
        "waits",
        "ZooRunnerQueueWaits",
        {'zoo_runner_queue_oldest_seconds{instance="a"}': "0+60x40"},
        21,
        "A job has waited for 21m 0s.",
    ),
    Case("waits-no-longer", "ZooRunnerQueueWaits", {"zoo_runner_queue_oldest_seconds": "0+60x18 0x20"}, 21),
    Case("waits-a-quarter-hour", "ZooRunnerQueueWaits", {"zoo_runner_queue_oldest_seconds": "900x40"}, 30),
    Case("503", "ZooRunnerErrors", _requests("/processes", "0+2x60"), 30, "3.846% of the requests end with 5xx."),
    Case("few-503", "ZooRunnerErrors", _requests("/processes", "0+1x60"), 30),
    Case("results-of-failed-jobs", "ZooRunnerErrors", _requests("/jobs/{job_id}/results", "0+40x60", "500"), 30),
    Case("refused-callers", "ZooRunnerErrors", _requests("/processes", "0+40x60", "403"), 30),
    Case("slow", "ZooRunnerSlow", _times("/processes"), 30, "Half of the requests take more than 1.5s."),
    Case("slow-for-a-moment", "ZooRunnerSlow", _times("/processes"), 14),
    Case("waits-for-jobs", "ZooRunnerSlow", _times("/processes/{process_id}/execution"), 30),
    Case("reads-results", "ZooRunnerSlow", _times("/jobs/{job_id}/results/{path}"), 30),
    Case(
        "files-of-a-worker",
        "ZooRunnerDescriptors",
        _descriptors(801, f"zoo_runner_threads{WORKER}"),
        10,
        "w:9464 has few file descriptors left.",
        WORKER_LABELS,
    ),
    Case(
        "files-of-a-server",
        "ZooRunnerDescriptors",
        _descriptors(999, f"zoo_runner_workers{WORKER}"),
        10,
        "w:9464 has few file descriptors left.",
        WORKER_LABELS,
    ),
    Case("files-enough", "ZooRunnerDescriptors", _descriptors(800, f"zoo_runner_threads{WORKER}"), 10),
    Case("files-of-others", "ZooRunnerDescriptors", _descriptors(999, 'zoo_runner_threads{instance="v:9464"}'), 10),
    Case(
        "database-away",
        "ZooRunnerWorkerIdle",
        _idle(),
        20,
        "w:9464 works on nothing while jobs wait.",
        WORKER_LABELS,
    ),
    Case(
        "engine-away",
        "ZooRunnerWorkerIdle",
        _idle(nothing="0+9x40", away="2x40"),
        20,
        "w:9464 works on nothing while jobs wait.",
        WORKER_LABELS,
    ),
    Case("held-by-a-quota", "ZooRunnerWorkerIdle", _idle(nothing="0+9x40"), 20),
    Case("works", "ZooRunnerWorkerIdle", _idle(jobs="1x40"), 20),
    Case("nothing-waits", "ZooRunnerWorkerIdle", _idle(oldest="0x40"), 20),
    Case(
        "source-old",
        "ZooRunnerSourceOld",
        {SOURCE: "0x70"},
        61,
        "https://git.example.org/a.git was last harvested 1h 1m 0s ago.",
        {"source": "https://git.example.org/a.git", "workspace": "alpha"},
    ),
    Case("source-of-this-hour", "ZooRunnerSourceOld", {SOURCE: "0x30 1800x40"}, 61),
    Case(
        "dead",
        "ZooRunnerMessageDead",
        _messages("0x9 1x80"),
        30,
        DEAD,
        DEAD_LABELS,
    ),
    Case(
        "dead-before-it-was-first-read",
        "ZooRunnerMessageDead",
        _messages("_x9 1x80"),
        30,
        DEAD,
        DEAD_LABELS,
    ),
    Case("dead-long-ago", "ZooRunnerMessageDead", _messages("1x200"), 100),
    Case("tried-again", "ZooRunnerMessageDead", {**_messages("0x80"), **_messages("0+1x80", "waits")}, 30),
    Case(
        "bus-away",
        "ZooRunnerBusAway",
        {'zoo_runner_ingest_connected{instance="i:9464"}': "0x20"},
        10,
        "i:9464 has no connection to the message bus.",
        {"instance": "i:9464"},
    ),
    Case("bus-back", "ZooRunnerBusAway", {'zoo_runner_ingest_connected{instance="i:9464"}': "0x8 1x20"}, 10),
    Case(
        "restarts",
        "ZooRunnerRestarts",
        _restarts("0x19 1x9 2x9 3x9 4x40"),
        60,
        "zoo-runner-api-1 restarts again and again.",
        {"namespace": "zoo-runner", "pod": "zoo-runner-api-1"},
    ),
    Case("restarted-twice", "ZooRunnerRestarts", _restarts("0x19 1x9 2x40"), 60),
    Case("restarts-of-others", "ZooRunnerRestarts", _restarts("0+1x90", "default"), 60),
    Case(
        "backup-old",
        "ZooRunnerBackupOld",
        {f"kube_cronjob_status_last_successful_time{BACKUP}": "3600x72"},
        2 * DAY + 2 * HOUR,
        "The last backup is 2d 1h 0m 0s old.",
        BACKUP_LABELS,
        step="1h",
    ),
    Case(
        "backup-of-today",
        "ZooRunnerBackupOld",
        {
            f"kube_cronjob_status_last_successful_time{BACKUP}": "172800x72",
            f"kube_cronjob_created{BACKUP}": "0x72",
        },
        2 * DAY + 2 * HOUR,
        step="1h",
    ),
    Case(
        "never-a-backup",
        "ZooRunnerBackupOld",
        {f"kube_cronjob_created{BACKUP}": "0x72"},
        2 * DAY + HOUR,
        "The last backup is 2d 1h 0m 0s old.",
        BACKUP_LABELS,
        step="1h",
    ),
    Case("no-backup-yet", "ZooRunnerBackupOld", {f"kube_cronjob_created{BACKUP}": "0x72"}, 2 * DAY, step="1h"),
]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rules(tmp_path_factory.mktemp("alarms") / "rules.json", read_alarms())


def test_prometheus_takes_the_alarms_and_finds_nothing_to_better(rules: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", rules)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"{len(read_alarms())} rules found" in done.stdout


def test_each_alarm_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    alarms = {rule["alert"] for rule in read_alarms()}
    assert {case.alarm for case in CASES if case.says} == alarms
    assert {case.alarm for case in CASES if not case.says} == alarms


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_alarm_fires_on_what_it_is_about_and_on_nothing_else(case: Case, rules: Path, tmp_path: Path) -> None:
    (rule,) = [one for one in read_alarms() if one["alert"] == case.alarm]
    expected: dict[str, Any] = {
        "exp_labels": {**rule["labels"], **case.labels},
        "exp_annotations": {"summary": case.says},
    }
    test = {
        "interval": case.step,
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "alert_rule_test": [
            {"eval_time": f"{case.minute}m", "alertname": case.alarm, "exp_alerts": [expected] if case.says else []}
        ],
    }
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": case.step, "tests": [test]}))
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
