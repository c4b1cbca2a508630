"""Messages of a real Apache Pulsar, followed by the command `ingest` and announced by `harvest`."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gitserver import create_repository, serving_git
from tests.harvesting import TOOL
from tests.pulsar_bus import Broker, find_broker
from tests.serving import Server, find_free_port, serving
from tests.site import LONGEST_SECONDS, Site
from tests.waiting import wait_for

PREFIX = "git-harvester/forest"
KILLED = -signal.SIGKILL
# the command, in which a method ends the process as a failing machine would, or does so after its work
_KILLING = """
import os, signal
from zoo_runner.harvest import bus, ingester, server

def end(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(method):
    return lambda *given, **named: end(method(*given, **named))

{place}
from zoo_runner.cli.main import main
main()
"""


class Hub:
    """A server, a bucket and a topic, and the command that connects them."""

    def __init__(self, site: Site, server: Server, broker: Broker) -> None:
        self.site, self.server, self.broker = site, server, broker
        self.bucket = site.folder / "catalogue"
        self.bucket.mkdir()
        self.file = site.folder / "messages.yml"
        self.write()

    def write(self, server: str = "", **bus: Any) -> None:
        given = {
            "url": self.broker.url,
            "topic": self.broker.topic,
            "token-file": str(self.broker.folder / "admin.token"),
            "dead-letters": self.broker.dead_letters,
            "attempts": 2,
        }
        document = {
            "server": server or self.server.url,
            "bus": {**given, **bus},
            "files": str(self.bucket),
            "keys": "git-harvester/{workspace}/",
            "workspaces": ["forest"],
        }
        self.file.write_text(json.dumps(document))

    def put(self, name: str, text: str) -> str:
        path = self.bucket / PREFIX / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return f"{PREFIX}/{name}"

    def remove(self, name: str) -> str:
        (self.bucket / PREFIX / name).unlink()
        return f"{PREFIX}/{name}"

    def send(self, *, added: Any = (), updated: Any = (), deleted: Any = (), **more: Any) -> bytes:
        """Send a message as harvesters of data hubs write it."""
        document = {
            "id": "harvester/forest",
            "workspace": "forest",
            "bucket_name": "catalogue",
            "source": "https://git.example.org/forest/workflows",
            "target": "user-datasets/forest",
            "added_keys": added,
            "updated_keys": updated,
            "deleted_keys": deleted,
            **more,
        }
        body = json.dumps(document).encode()
        self.broker.send(body)
        return body

    def ingest(self, *, exit_code: int = 0) -> list[dict[str, Any]]:
        report = self.file.with_name("report.json")
        done = self.site.command("ingest", self.file, "--once", "--format", "json", "--report", report)
        assert done.returncode == exit_code, done.stderr
        attempts = [json.loads(line) for line in done.stdout.splitlines()]
        newest = {one["message"]: one for one in attempts}
        assert {one["message"]: one for one in json.loads(report.read_text())} == newest
        return attempts

    def list_processes(self) -> dict[str, str]:
        listed = self.server.request("GET", "/processes").json["processes"]
        return {one["id"]: one["description"] for one in listed}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Server]]:
    folder = tmp_path_factory.mktemp("bus")
    site = Site(folder, folder / "cache")
    with serving(site.environ, folder) as server:
        yield site, server


@pytest.fixture
def hub(running: tuple[Site, Server], tmp_path: Path) -> Iterator[Hub]:
    site, server = running
    one = Hub(Site(tmp_path, site.cache), server, find_broker())
    yield one
    for process in one.list_processes():
        server.request("DELETE", f"/processes/{process}")


def list_changes(delivered: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(one["change"]["kind"], one["change"]["name"]) for one in delivered["handled"]["done"]]


def test_what_a_message_names_is_deployed_replaced_and_removed(hub: Hub) -> None:
    ndvi = hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="one"))
    item = hub.put("item.json", "{}")
    hub.send(added=[ndvi, item], failed_files={"broken.cwl": "no CWL"})
    (first,) = hub.ingest()
    assert (first["outcome"], list_changes(first), first["handled"]["ignored"]) == ("done", [("deploy", "ndvi")], 1)
    assert hub.list_processes() == {"ndvi": "one"}

    # twice the same, and once more the same content
    hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="two"))
    hub.send(updated=[ndvi])
    hub.send(updated=[ndvi])
    changed, same = hub.ingest()
    assert (list_changes(changed), list_changes(same)) == ([("replace", "ndvi")], [])
    assert hub.list_processes() == {"ndvi": "two"}

    # a rename is one message, or two in any order
    hub.remove("ndvi.cwl")
    moved = hub.put("moved/ndvi.cwl", TOOL.format(id="ndvi", doc="two"))
    hub.send(added=[moved])
    hub.send(deleted=[ndvi])
    assert [list_changes(one) for one in hub.ingest()] == [[], []]
    assert hub.list_processes() == {"ndvi": "two"}

    hub.send(deleted=[hub.remove("moved/ndvi.cwl")])
    (gone,) = hub.ingest()
    assert (gone["outcome"], list_changes(gone)) == ("done", [("undeploy", "ndvi")])
    assert hub.list_processes() == {}
    assert hub.broker.count_left() == 0


def test_a_kill_between_the_change_and_its_acknowledgement_loses_and_repeats_nothing(hub: Hub) -> None:
    hub.send(added=[hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="one"))])
    assert run_killing(hub, "bus.Subscription.acknowledge = end").returncode == KILLED
    assert hub.list_processes() == {"ndvi": "one"}
    assert hub.broker.count_left() == 1
    (again,) = hub.ingest()
    assert (again["outcome"], again["attempt"], list_changes(again)) == ("done", 2, [])
    assert hub.broker.count_left() == 0


def test_a_kill_after_the_request_and_before_the_record_takes_the_process_for_its_own(hub: Hub) -> None:
    hub.send(added=[hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="one"))])
    # the server has the process, and the record says that it was begun
    place = "server.ProcessServer.deploy = after(server.ProcessServer.deploy)"
    assert run_killing(hub, place).returncode == KILLED
    assert hub.list_processes() == {"ndvi": "one"}
    (again,) = hub.ingest()
    assert (again["outcome"], list_changes(again)) == ("done", [("deploy", "ndvi")])


def test_a_message_that_ends_the_program_each_time_is_a_dead_letter(hub: Hub) -> None:
    body = hub.send(added=[hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="one"))])
    for _ in range(2):
        assert run_killing(hub, "ingester.Ingester.handle = end").returncode == KILLED
    (last,) = hub.ingest(exit_code=7)
    assert (last["outcome"], last["problem"]["code"]) == ("dead letter", "bus.attempts")
    ((dead, why),) = hub.broker.read(hub.broker.dead_letters, 1)
    assert (dead, why["zoo-runner-code"]) == (body, "bus.attempts")
    assert hub.ingest() == []


def handle_dead_letters(hub: Hub, action: str) -> list[dict[str, Any]]:
    done = hub.site.command("ingest", hub.file, "--dead-letters", action, "--format", "json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_operator_sees_dead_letters_and_sends_them_again(hub: Hub) -> None:
    body = hub.send(added=[f"{PREFIX}/late.cwl"])
    hub.broker.send(b"no message")
    # two attempts of the first, one of the second
    assert [one["outcome"] for one in hub.ingest(exit_code=7)].count("dead letter") == 2
    # to look at them takes nothing away
    for _ in range(2):
        found = {one["code"]: one for one in handle_dead_letters(hub, "list")}
        assert sorted(found) == ["bus.absent", "bus.message"]
    assert (found["bus.absent"]["body"], found["bus.absent"]["files"]) == (body.decode(), f"{PREFIX}/late.cwl")
    hub.put("late.cwl", TOOL.format(id="late", doc="one"))
    assert len(handle_dead_letters(hub, "send-again")) == 2
    assert sorted(one["outcome"] for one in hub.ingest(exit_code=7)) == ["dead letter", "done"]
    assert hub.list_processes() == {"late": "one"}
    assert [one["body"] for one in handle_dead_letters(hub, "discard")] == ["no message"]
    assert handle_dead_letters(hub, "list") == []


def test_hostile_messages_are_dead_letters_with_a_code_and_hold_up_no_other(hub: Hub) -> None:
    ndvi = hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="one"))
    (hub.bucket / "secret.cwl").write_text(TOOL.format(id="secret", doc="one"))
    sent = [b"\xff not JSON", b"[" * 100_000, b'{"a": "' + b"x" * (1 << 20) + b'"}']
    hub.broker.send(*sent)
    foreign = ({"workspace": "water"}, {"workspace": "../forest"}, {"workspace": 1}, {"bucket_name": "other"})
    keys = [f"{PREFIX}/../../secret.cwl", "secret.cwl", f"/{ndvi}", f"{PREFIX}//a.cwl", f"{PREFIX}/a\n.cwl", 7]
    sent += [hub.send(added=[ndvi], **more) for more in foreign]
    sent += [hub.send(added=[key]) for key in keys]
    sent += [hub.send(added="all"), hub.send(added=[f"{PREFIX}/{number}.cwl" for number in range(1001)])]
    hub.send(added=[ndvi])
    *refused, last = hub.ingest(exit_code=7)
    assert {(one["outcome"], one["problem"]["code"]) for one in refused} == {("dead letter", "bus.message")}
    assert (last["outcome"], list_changes(last)) == ("done", [("deploy", "ndvi")])
    dead = hub.broker.read(hub.broker.dead_letters, len(sent))
    assert [body for body, _ in dead] == sent
    assert {why["zoo-runner-code"] for _, why in dead} == {"bus.message"}
    assert hub.list_processes() == {"ndvi": "one"}


def test_an_invalid_workflow_is_a_dead_letter_and_its_process_stays(hub: Hub) -> None:
    ndvi = hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="one"))
    hub.send(added=[ndvi])
    hub.ingest()
    hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="two").replace("stdout: said", "stdot: said"))
    twin = hub.put("twin.cwl", TOOL.format(id="ndvi", doc="three"))
    hub.send(added=[twin], updated=[ndvi])
    (refused,) = hub.ingest(exit_code=7)
    codes = {one["path"]: one["problem"]["code"] for one in refused["handled"]["failed"]}
    assert codes == {ndvi: "package.invalid", twin: "harvest.same-id"}
    ((_, why),) = hub.broker.read(hub.broker.dead_letters, 1)
    assert set(why["zoo-runner-files"].split(", ")) == {ndvi, twin}
    assert hub.list_processes() == {"ndvi": "one"}


def test_a_message_waits_for_its_file_and_for_a_server_that_is_away(hub: Hub) -> None:
    port = find_free_port()
    hub.write(f"http://127.0.0.1:{port}", attempts=6)
    hub.send(added=[f"{PREFIX}/ndvi.cwl"])
    with hub.site.started("ingest", hub.file, "--format", "json") as process:
        lines = read_lines(process)
        absent = next(lines)
        assert (absent["outcome"], absent["problem"]["code"], absent["attempt"]) == ("waits", "bus.absent", 1)
        hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="one"))
        # an outage counts no attempt
        away = next(one for one in lines if one["problem"]["code"] != "bus.absent")
        assert (away["outcome"], away["problem"]["code"], away["attempt"]) == ("waits", "api.unreachable", 0)
        own = Server(port, Site(hub.site.folder / "own", hub.site.cache).environ, hub.site.folder / "own.log")
        own.start()
        try:
            done = next(one for one in lines if one["outcome"] == "done")
            assert list_changes(done) == [("deploy", "ndvi")]
            assert own.request("GET", "/processes/ndvi").status == 200
        finally:
            own.stop()
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONGEST_SECONDS) == 0
    assert hub.broker.count_left() == 0


def test_an_operator_sees_what_became_of_messages_and_how_old_the_oldest_is(hub: Hub) -> None:
    hub.write(attempts=50)
    hub.send(added=[hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="one"))])
    hub.broker.send(b"no message")
    port = find_free_port()

    def read(name: str, **labels: str) -> float | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LONGEST_SECONDS) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
        except OSError:
            return None
        samples = (one for family in families for one in family.samples if one.name == name)
        return next((float(one.value) for one in samples if labels.items() <= one.labels.items()), None)

    with hub.site.started("ingest", hub.file, "--metrics", str(port)) as process:
        wait_for(lambda: read("zoo_runner_ingest_messages_total", outcome="dead") == 1.0)
        wait_for(lambda: read("zoo_runner_ingest_messages_total", outcome="done") == 1.0)
        assert read("zoo_runner_ingest_changes_total", kind="deploy", outcome="done") == 1.0
        assert read("zoo_runner_ingest_connected") == 1.0
        assert read("zoo_runner_ingest_oldest_seconds") == 0.0
        hub.send(added=[f"{PREFIX}/late.cwl"])
        wait_for(lambda: read("zoo_runner_ingest_unhandled") == 1.0)
        assert (read("zoo_runner_ingest_oldest_seconds") or 0.0) > 0.0
        hub.put("late.cwl", TOOL.format(id="late", doc="one"))
        wait_for(lambda: read("zoo_runner_ingest_messages_total", outcome="done") == 2.0)
        wait_for(lambda: read("zoo_runner_ingest_unhandled") == 0.0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONGEST_SECONDS) == 0


def test_a_broker_that_is_killed_and_comes_back_has_lost_nothing(hub: Hub) -> None:
    hub.write(attempts=50)
    hub.send(added=[f"{PREFIX}/late.cwl"])
    with hub.site.started("ingest", hub.file, "--format", "json") as process:
        lines = read_lines(process)
        assert next(lines)["outcome"] == "waits"
        hub.broker.restart()
        hub.put("late.cwl", TOOL.format(id="late", doc="one"))
        hub.send(added=[hub.put("after.cwl", TOOL.format(id="after", doc="one"))])
        done = [one for one in lines_until(lines, 2) if one["outcome"] == "done"]
        assert sorted(list_changes(one)[0][1] for one in done) == ["after", "late"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONGEST_SECONDS) == 0
    assert hub.list_processes() == {"after": "one", "late": "one"}
    assert hub.ingest() == []


def test_the_token_is_read_from_its_file_and_shown_nowhere(hub: Hub) -> None:
    wrong = hub.site.folder / "token"
    wrong.write_text((hub.broker.folder / "reader.token").read_text())
    hub.write(**{"token-file": str(wrong)})
    refused = hub.site.command("ingest", hub.file, "--once")
    assert (refused.returncode, "bus.refused" in refused.stderr) == (7, True), refused.stderr
    assert wrong.read_text() not in refused.stdout + refused.stderr

    certificate = {"url": hub.broker.tls_url, "ca-file": str(hub.broker.folder / "tls.pem")}
    hub.write(**certificate)
    hub.send(added=[hub.put("ndvi.cwl", TOOL.format(id="ndvi", doc="one"))])
    (done,) = hub.ingest()
    assert list_changes(done) == [("deploy", "ndvi")]
    # a certificate that nobody vouches for
    hub.write(url=hub.broker.tls_url)
    untrusted = hub.site.command("ingest", hub.file, "--once")
    assert (untrusted.returncode, "bus.unreachable" in untrusted.stderr) == (7, True), untrusted.stderr


def test_what_a_harvest_announces_another_installation_deploys(hub: Hub) -> None:
    repository, sources = create_repository(hub.site.folder), hub.site.folder / "sources.yml"
    with serving_git(hub.site.folder / "served") as git:
        bus = {name: one for name, one in json.loads(hub.file.read_text())["bus"].items() if name != "dead-letters"}
        source = {"url": f"{git}/repository.git", "workspace": "forest"}
        announced = {"bus": bus, "files": str(hub.bucket), "keys": "git-harvester/{workspace}/", "sources": [source]}
        sources.write_text(json.dumps(announced))

        def harvest(place: str = "") -> "subprocess.CompletedProcess[str]":
            return run_killing(hub, place, "harvest", sources) if place else hub.site.command("harvest", sources)

        repository.push({"a.cwl": TOOL.format(id="a", doc="one"), "b.cwl": TOOL.format(id="b", doc="one")})
        assert harvest().returncode == 0
        first, second = (json.loads(body) for body, _ in hub.broker.read(hub.broker.topic, 2))
        assert (first["workspace"], first["bucket_name"], first["source"]) == ("forest", "catalogue", source["url"])
        assert [len(one["added_keys"]) for one in (first, second)] == [1, 1]
        assert [list_changes(one) for one in hub.ingest()] == [[("deploy", "a")], [("deploy", "b")]]

        repository.push({"a.cwl": TOOL.format(id="a", doc="two"), "b.cwl": None})
        # killed when a message is sent, and before the record says so: it is sent again
        assert harvest("bus.Bus.publish = after(bus.Bus.publish)").returncode == KILLED
        assert harvest().returncode == 0
        assert [list_changes(one) for one in hub.ingest()] == [[("undeploy", "b")], [], [("replace", "a")]]
        assert hub.list_processes() == {"a": "two"}


def run_killing(hub: Hub, place: str, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the command with a method that ends the process."""
    return subprocess.run(
        [sys.executable, "-c", _KILLING.format(place=place), *map(str, words or ("ingest", hub.file, "--once"))],
        env=hub.site.environ,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def read_lines(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    assert process.stdout
    for line in process.stdout:
        yield json.loads(line)


def lines_until(lines: Iterator[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """The lines until so many messages are done."""
    for one in lines:
        yield one
        count -= one["outcome"] == "done"
        if not count:
            return
