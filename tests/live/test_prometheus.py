"""A real Prometheus reads all parts of a release, finds what the page and the alarms name, and alarms fire and end."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.measuring import FIGURE, PAGE, Parts, list_names, read_alarms, run_one_of_each, running_parts
from tests.prometheus import Prometheus, promtool, reading
from tests.site import Site
from tests.waiting import wait_for

PARTS = ("api", "worker", "harvester", "ingester")
# once there are requests to a cluster
ELSEWHERE = {"zoo_runner_kubernetes_requests_total"}
# what Prometheus itself adds
ADDED = {"__name__", "instance", "job", "le"}


def hasten(rule: dict[str, Any]) -> dict[str, Any]:
    """Return an alarm with seconds for minutes and minutes for hours."""

    def shorten(text: str) -> str:
        return re.sub(r"\b(\d+)([mh])\b", lambda found: found[1] + {"m": "s", "h": "m"}[found[2]], text)

    return {**rule, **{key: shorten(rule[key]) for key in ("expr", "for") if key in rule}}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """All parts, each of which has done something."""
    folder = tmp_path_factory.mktemp("measured")
    with running_parts(Site(folder, folder / "cache")) as running:
        run_one_of_each(running)
        yield running


@pytest.fixture(scope="module")
def prometheus(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has read each of them three times."""
    ports = [parts.server.port, parts.worker.port, parts.harvester.port, parts.ingester.port]
    with ExitStack() as stack:
        folder, alarms = tmp_path_factory.mktemp("prometheus"), [hasten(rule) for rule in read_alarms()]
        server = stack.enter_context(reading(folder, dict(zip(PARTS, ports, strict=True)), alarms))
        wait_for(lambda: len(server.query("count_over_time(up[5m]) >= 3")) == len(PARTS) + 1)
        yield server


def test_each_part_is_read_without_an_error_and_nothing_is_dropped(prometheus: Prometheus) -> None:
    targets = prometheus.ask("targets")["activeTargets"]
    states = {one["labels"]["job"]: (one["health"], one["lastError"]) for one in targets}
    assert states == dict.fromkeys((*PARTS, "prometheus"), ("up", ""))
    assert prometheus.query("scrape_samples_post_metric_relabeling != scrape_samples_scraped") == []
    dropped = '{__name__=~"prometheus_target_scrapes?_(exceeded|sample|exemplar|cache_flush)_.*total"}'
    assert len(prometheus.query(dropped)) >= 4
    assert prometheus.query(f"{dropped} > 0") == []
    # a label that it has itself would have another name there
    series = prometheus.ask("series", **{"match[]": '{job=~".+",job!="prometheus"}'})
    assert [one for one in series if any(label.startswith("exported_") for label in one)] == []


def test_prometheus_finds_nothing_wrong_with_the_form_of_the_figures(parts: Parts) -> None:
    texts = {name: getattr(parts, name).fetch()[1] for name in PARTS[1:]}
    texts["api"] = parts.server.request("GET", "/metrics").body.decode()
    for name, text in texts.items():
        done = promtool("check", "metrics", given=text)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), name


def test_each_figure_of_the_page_is_there_with_the_labels_that_the_page_names(
    parts: Parts, prometheus: Prometheus
) -> None:
    # without one of them by path, there are none
    assert parts.server.request("GET", "/jobs").status == 200
    wait_for(lambda: prometheus.query('zoo_runner_requests_total{path="/jobs"}'))
    rows = [
        line.split("|")[1:4] for line in PAGE.read_text().splitlines() if re.match(r"\| `(zoo_runner|process)_", line)
    ]
    assert len(rows) > 20
    for names, kind, labels in rows:
        for name in set(FIGURE.findall(names)) - ELSEWHERE:
            stored = f"{name}_bucket" if kind.strip() == "histogram" else name
            found = prometheus.ask("series", **{"match[]": f'{stored}{{job!="prometheus"}}'})
            assert found, name
            wanted = {label.strip() for label in labels.split(",") if label.strip()}
            assert {frozenset(set(one) - ADDED) for one in found} == {frozenset(wanted)}, name


def test_no_figure_that_a_part_serves_is_lost_on_the_way(parts: Parts, prometheus: Prometheus) -> None:
    stored = set(prometheus.ask("label/__name__/values"))
    for name in ("worker", "harvester", "ingester"):
        served = {one for one in list_names(getattr(parts, name).fetch()[1]) if f"{one}_bucket" not in stored}
        assert served <= stored, name


def test_prometheus_evaluates_each_alarm_and_has_its_figures(prometheus: Prometheus) -> None:
    def list_rules() -> list[dict[str, Any]]:
        (group,) = prometheus.ask("rules")["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return rules

    wait_for(lambda: all(rule["health"] != "unknown" for rule in list_rules()))
    assert {rule["name"]: (rule["health"], rule.get("lastError", "")) for rule in list_rules()} == {
        rule["alert"]: ("ok", "") for rule in read_alarms()
    }
    for rule in read_alarms():
        for name in FIGURE.findall(rule["expr"]):
            assert prometheus.query(f'count({name}{{job!="prometheus"}})'), (rule["alert"], name)


def test_an_alarm_fires_when_its_part_goes_and_ends_when_it_is_back(parts: Parts, prometheus: Prometheus) -> None:
    # there is no bus; nothing is wrong with the server
    wait_for(lambda: "ZooRunnerBusAway" in prometheus.list_firing())
    assert "ZooRunnerDown" not in prometheus.list_firing()
    parts.server.kill()
    try:
        wait_for(lambda: "ZooRunnerDown" in prometheus.list_firing())
    finally:
        parts.server.start()
    wait_for(lambda: "ZooRunnerDown" not in prometheus.list_firing())
    assert "ZooRunnerBusAway" in prometheus.list_firing()
