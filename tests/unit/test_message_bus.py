"""What a file of messages and a message may say, and what becomes of messages that fail."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pulsar
import pytest

from tests.site import Site
from tests.unit.messages import Check
from zoo_runner.api_client import UnansweredError
from zoo_runner.cli.ingest import DeliveryReport
from zoo_runner.harvest.announcing import Announcer
from zoo_runner.harvest.bus import Subscription
from zoo_runner.harvest.bus_settings import Announcement, BusSettings, Ingest, name_bucket, parse_ingest
from zoo_runner.harvest.delivery import MOST_WAITING, Attempts, Delivered, Delivery, Outcome, describe_death
from zoo_runner.harvest.ingester import Failed, Handled, Ingester
from zoo_runner.harvest.messages import SENT, ChangeMessage, Message, MessageError, encode_message, parse_message
from zoo_runner.harvest.planning import Deployed
from zoo_runner.harvest.probes import Probes
from zoo_runner.harvest.records import FolderRecords, Record
from zoo_runner.harvest.sources import Source, parse_harvest
from zoo_runner.harvest.workflow_files import LARGEST_BYTES, AbsentFileError, UnreadFileError, WorkflowFiles
from zoo_runner.harvest.workflows import Workflow
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import EngineError, NotReachedError, SettingsError
from zoo_runner.model.package import NO_PACKAGE
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.store.errors import HeldError

FILE = Path("/etc/hub/messages.yml")
BUS = {"url": "pulsar+ssl://bus.example.org:6651", "topic": "transformed"}
GIVEN: Mapping[str, Any] = {
    "server": "https://hub.example.org/{workspace}",
    "bus": BUS,
    "files": "s3://catalogue",
    "keys": "git-harvester/{workspace}/",
}
RULES = parse_ingest(GIVEN, FILE)
MESSAGE: Mapping[str, Any] = {"workspace": "forest", "bucket_name": "catalogue", "source": "https://git.example.org/w"}
KEY = "git-harvester/forest/a.cwl"


def test_a_file_of_messages_names_files_beside_it_and_the_topic_of_dead_letters() -> None:
    bus = {**BUS, "token-file": "token", "ca-file": "/ca.pem", "subscription": "ades", "attempts": 3}
    found = parse_ingest({**GIVEN, "bus": bus, "token-file": "api"}, FILE)
    assert (found.bus.token_file, found.bus.ca_file, found.token_file) == ("/etc/hub/token", "/ca.pem", "/etc/hub/api")
    assert (found.bus.refused_topic, found.bus.attempts, found.bucket) == ("dead-letter-ades", 3, "catalogue")
    assert "token" not in repr(found)
    assert parse_ingest(GIVEN, FILE, "pulsar://other:6650").bus.url == "pulsar://other:6650"
    assert (name_bucket("/data/catalogue/"), name_bucket("s3://catalogue/below")) == ("catalogue", "catalogue")


_FILES: Mapping[str, Any] = {
    "server": {"server": "hub"},
    "no-bus": {"bus": None},
    "no-url": {"bus": {"topic": "t"}},
    "scheme": {"bus": {**BUS, "url": "kafka://a:1"}},
    "password": {"bus": {**BUS, "url": "pulsar://me:secret@a:1"}},
    "plain-with-ca": {"bus": {**BUS, "url": "pulsar://a:1", "ca-file": "ca.pem"}},
    "no-key": {"bus": {**BUS, "certificate-file": "c.pem"}},
    "attempts": {"bus": {**BUS, "attempts": 0}},
    "attempts-type": {"bus": {**BUS, "attempts": True}},
    "unknown-of-bus": {"bus": {**BUS, "tokens": "t"}},
    "files": {"files": ""},
    "workspace": {"workspaces": ["Forest"]},
    "one-workspace": {"server": "https://hub.example.org"},
    "unknown": {"topics": []},
}


@pytest.mark.parametrize("name", _FILES)
def test_a_file_of_messages_that_cannot_be_followed_says_where(name: str, check: Check) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_ingest({**GIVEN, **_FILES[name]}, FILE)
    check(caught.value, code="harvest.sources")
    assert "secret" not in caught.value.diagnosis.cause


def test_a_harvest_that_announces_needs_no_server_and_keeps_other_records() -> None:
    source = {"url": "https://git.example.org/w", "workspace": "forest"}
    given = {"bus": BUS, "files": "s3://catalogue", "sources": [source]}
    found = parse_harvest(given, FILE)
    assert found.announcement == Announcement(
        BusSettings(BUS["url"], BUS["topic"]), "s3://catalogue", "zoo-runner/{workspace}/"
    )
    both = parse_harvest({**given, "server": "https://hub.example.org"}, FILE)
    only_server = parse_harvest({"server": "https://hub.example.org", "sources": [source]}, FILE)
    keys = [one.build_key(one.sources[0]) for one in (found, both, only_server)]
    assert (keys[1] == keys[2], keys[0] == keys[1]) == (True, False)


_SOURCES: Mapping[str, Any] = {
    "no-bus": {"files": "s3://a"},
    "keys": {"bus": BUS, "files": "s3://a", "keys": "all/"},
    "no-files": {"bus": BUS},
    "no-workspace": {"bus": BUS, "files": "s3://a"},
}


@pytest.mark.parametrize("name", _SOURCES)
def test_an_announcement_that_cannot_be_made_says_where(name: str, check: Check) -> None:
    given = {"server": "https://hub.example.org", "sources": [{"url": "https://git.example.org/w"}], **_SOURCES[name]}
    with pytest.raises(SettingsError) as caught:
        parse_harvest(given, FILE)
    check(caught.value, code="harvest.sources")


def test_what_is_written_is_read_and_unknown_members_are_left() -> None:
    sent = ChangeMessage("forest", "catalogue", "https://git.example.org/w", "", (KEY,), (KEY,), (f"{KEY}2",))
    document = {**json.loads(encode_message(sent)), "failed_files": {"a": 1}, "harvest_type": None}
    assert parse_message(json.dumps(document).encode(), RULES) == sent
    assert sent.changed == (KEY,)
    # older harvesters send no workspace, and leave out lists that are empty
    known = replace(RULES, workspace="forest")
    assert parse_message(json.dumps({"bucket_name": "catalogue", "added_keys": None}).encode(), known).changed == ()


_MESSAGES: Mapping[str, Any] = {
    "list": [],
    "no-workspace": {**MESSAGE, "workspace": None},
    "path-as-workspace": {**MESSAGE, "workspace": "forest/../water"},
    "workspace": {**MESSAGE, "workspace": "desert"},
    "bucket": {**MESSAGE, "bucket_name": "other"},
    "no-list": {**MESSAGE, "added_keys": KEY},
    "foreign-key": {**MESSAGE, "added_keys": ["git-harvester/water/a.cwl"]},
    "parent": {**MESSAGE, "updated_keys": ["git-harvester/forest/../water/a.cwl"]},
    "line-separator": {**MESSAGE, "deleted_keys": [f"{KEY}\u2028"]},
    "surrogate": {**MESSAGE, "deleted_keys": ["git-harvester/forest/\ud800"]},
    "long": {**MESSAGE, "added_keys": [KEY + "x" * 1024]},
    "both": {**MESSAGE, "added_keys": [KEY], "deleted_keys": [KEY]},
    "many": {**MESSAGE, "added_keys": [f"git-harvester/forest/{one}" for one in range(1001)]},
}


@pytest.mark.parametrize("name", _MESSAGES)
def test_a_message_that_may_not_be_followed_says_why(name: str, check: Check) -> None:
    rules = replace(RULES, workspaces=("forest", "water"))
    with pytest.raises(MessageError) as caught:
        parse_message(json.dumps(_MESSAGES[name]).encode(), rules)
    check(caught.value, code="bus.message")


@pytest.mark.parametrize("body", [b"\xff", b"{", b"[" * 100_000, b" " * ((1 << 20) + 1)])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        parse_message(body, RULES)


def test_files_are_read_up_to_a_size_as_text(tmp_path: Path) -> None:
    files = WorkflowFiles(str(tmp_path), StorageProfile())
    assert (files.write("a/b.cwl", b"one"), files.write("a/b.cwl", b"two"), files.read("a/b.cwl")) == (
        False,
        True,
        "two",
    )
    files.remove("a/b.cwl")
    assert not files.exists("a/b.cwl")
    with pytest.raises(AbsentFileError):
        files.read("a/b.cwl")
    files.write("large", b" " * (LARGEST_BYTES + 1))
    files.write("binary", b"\xff")
    for key in ("large", "binary"):
        with pytest.raises(UnreadFileError):
            files.read(key)


class FakeInbox:
    """A bus in memory, and a clock that moves where somebody waits."""

    def __init__(self, *messages: Message) -> None:
        self.messages, self.acknowledged, self.now = list(messages), list[str](), 0.0
        self.is_stopped = False

    def receive(self, seconds: float | None) -> Message | None:
        if self.messages:
            return self.messages.pop(0)
        self.now += seconds or 0
        return None

    def acknowledge(self, message: Message) -> None:
        self.acknowledged.append(message.identity)

    def pause(self, seconds: float) -> None:
        self.now += seconds


def make(identity: str) -> Message:
    return Message(identity, b"{}", 1, "topic")


FAULT = EngineError("it fails", "Wait.", code="bus.absent").diagnosis
LASTING = EngineError("it is wrong", "Correct it.", code="package.invalid").diagnosis


class Scene:
    """A delivery whose messages come to what the test says, in turn."""

    def __init__(self, folder: Path, inbox: FakeInbox, *outcomes: Handled | BaseException, most: int = 3) -> None:
        self.inbox, self.outcomes = inbox, iter(outcomes)
        self.buried: list[tuple[str, str]] = []
        attempts = Attempts(FolderRecords(folder))
        self.delivery = Delivery(inbox, self.handle, self.bury, attempts, most, lambda: inbox.now)

    def handle(self, message: Message) -> Handled:
        outcome = next(self.outcomes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def bury(self, message: Message, problem: Diagnosis, handled: Handled) -> None:
        self.buried.append((message.identity, problem.code))

    def run(self) -> list[Delivered]:
        return list(self.delivery.run(5.0))


def failing(problem: Diagnosis) -> Handled:
    return Handled(failed=(Failed(KEY, problem),))


def test_a_message_that_fails_is_tried_again_later_each_time_and_others_pass(tmp_path: Path) -> None:
    inbox = FakeInbox(make("a"), make("b"))
    scene = Scene(tmp_path, inbox, failing(FAULT), Handled(), failing(FAULT), Handled())
    tried = scene.run()
    assert [(one.message, one.outcome, one.attempt) for one in tried] == [
        ("a", Outcome.WAITS, 1),
        ("b", Outcome.DONE, 1),
        ("a", Outcome.WAITS, 2),
        ("a", Outcome.DONE, 3),
    ]
    assert 0.75 <= tried[0].seconds <= 1 < tried[2].seconds <= 2
    assert (inbox.acknowledged, scene.buried) == (["b", "a"], [])
    # and is forgotten
    assert Attempts(FolderRecords(tmp_path)).begin("a") == 1


def test_what_fails_too_often_or_for_ever_is_buried_before_it_is_acknowledged(tmp_path: Path) -> None:
    inbox = FakeInbox(make("a"), make("b"), make("c"))
    refused = MessageError("it is refused", "Look.")
    scene = Scene(tmp_path, inbox, failing(FAULT), failing(LASTING), refused, failing(FAULT), most=2)
    assert [one.outcome for one in scene.run()][1:] == [Outcome.DEAD] * 3
    assert scene.buried == [("b", "package.invalid"), ("c", "bus.message"), ("a", "bus.absent")]
    assert inbox.acknowledged == ["b", "c", "a"]


def test_attempts_that_ended_the_process_count(tmp_path: Path) -> None:
    for _ in range(2):
        inbox = FakeInbox(make("a"))
        scene = Scene(tmp_path, inbox, KeyboardInterrupt(), most=2)
        with pytest.raises(KeyboardInterrupt):
            scene.run()
        assert inbox.acknowledged == []
    last = Scene(tmp_path, FakeInbox(make("a")), most=2)
    assert [(one.outcome, one.problem and one.problem.code) for one in last.run()] == [(Outcome.DEAD, "bus.attempts")]


def test_an_outage_counts_no_attempt_and_takes_nothing_more_from_the_bus(tmp_path: Path) -> None:
    away = UnansweredError("it is away", "Wait.")
    inbox = FakeInbox(make("a"), make("b"))
    scene = Scene(tmp_path, inbox, *[away] * 12, Handled(), Handled(), most=1)
    tried = []
    for one in scene.delivery.run():
        tried.append(one)
        inbox.is_stopped = len(tried) == 14
        if len(tried) < 13:
            assert [message.identity for message in inbox.messages] == ["b"]
    assert [one.outcome for one in tried] == [Outcome.WAITS] * 12 + [Outcome.DONE] * 2
    assert (tried[12].attempt, inbox.acknowledged) == (1, ["a", "b"])
    assert 225 <= tried[11].seconds <= 300


def test_dead_letters_that_the_bus_does_not_take_are_not_acknowledged(tmp_path: Path) -> None:
    inbox = FakeInbox(make("a"))
    scene = Scene(tmp_path, inbox, MessageError("it is refused", "Look."), MessageError("it is refused", "Look."))
    bury, failures = scene.bury, iter([EngineError("the bus is away", "Wait.", code="bus.unreachable")])

    def fail(message: Message, problem: Diagnosis, handled: Handled) -> None:
        if error := next(failures, None):
            raise error
        bury(message, problem, handled)

    scene.delivery = Delivery(inbox, scene.handle, fail, Attempts(FolderRecords(tmp_path)), 3, lambda: inbox.now)
    tried = scene.delivery.run()
    assert (next(tried).outcome, inbox.acknowledged) == (Outcome.WAITS, [])
    assert (next(tried).outcome, inbox.acknowledged) == (Outcome.DEAD, ["a"])


def test_what_the_bus_gives_again_while_it_waits_is_one_message(tmp_path: Path) -> None:
    inbox = FakeInbox(make("a"), make("a"), make("a"))
    scene = Scene(tmp_path, inbox, failing(FAULT), Handled())
    assert [one.outcome for one in scene.run()] == [Outcome.WAITS, Outcome.DONE]
    assert inbox.acknowledged == ["a"]


def test_no_more_messages_wait_here_than_fit(tmp_path: Path) -> None:
    inbox = FakeInbox(*(make(str(number)) for number in range(MOST_WAITING + 10)))
    scene = Scene(tmp_path, inbox, *[failing(FAULT)] * (MOST_WAITING + 1))
    tried = scene.delivery.run()
    for _ in range(MOST_WAITING):
        next(tried)
    assert (next(tried).attempt, len(inbox.messages)) == (2, 10)


def test_a_report_has_the_newest_attempt_of_the_last_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_runner.cli.ingest.MOST_REPORTED", 2)
    file = tmp_path / "report.json"
    report = DeliveryReport(file)
    assert json.loads(file.read_text()) == []
    for message, outcome in (("a", Outcome.WAITS), ("b", Outcome.WAITS), ("a", Outcome.DEAD), ("c", Outcome.DONE)):
        report.add(Delivered(message, outcome, 1, problem=FAULT if outcome is Outcome.DEAD else None))
    written = json.loads(file.read_text())
    assert [(one["message"], one["outcome"]) for one in written] == [("a", "dead letter"), ("c", "done")]
    assert written[0]["problem"]["code"] == "bus.absent"
    # without a file nothing is kept
    DeliveryReport(None).add(Delivered("a", Outcome.DONE, 1))


def test_an_outage_of_the_records_counts_no_attempt_and_a_lost_lock_ends_it(tmp_path: Path) -> None:
    class Kept(FolderRecords):
        away = False

        def write_attempts(self, changes: Mapping[str, int | None]) -> None:
            if self.away:
                raise NotReachedError("the database is away", "Wait.", code="store.unreachable")
            super().write_attempts(changes)

    kept, inbox = Kept(tmp_path), FakeInbox(make("a"), make("b"))
    scene = Scene(tmp_path, inbox, Handled(), HeldError("another one has it", "Wait."))
    scene.delivery = Delivery(inbox, scene.handle, scene.bury, Attempts(kept), 3, lambda: inbox.now)
    kept.away = True
    (waits,) = scene.run()
    assert (waits.outcome, waits.problem and waits.problem.code) == (Outcome.WAITS, "store.unreachable")
    kept.away = False
    deliveries = scene.delivery.run(5.0)
    done = next(deliveries)
    assert (done.message, done.outcome, done.attempt, inbox.acknowledged) == ("a", Outcome.DONE, 1, ["a"])
    with pytest.raises(HeldError):
        next(deliveries)
    assert (inbox.acknowledged, scene.buried) == (["a"], [])


def test_a_dead_letter_says_why_without_secrets() -> None:
    problem = EngineError("https://me:secret@hub.example.org refuses", "Look.", code="harvest.refused").diagnosis
    said = describe_death(make("a"), problem, failing(FAULT))
    assert (said["zoo-runner-code"], said["zoo-runner-files"]) == ("harvest.refused", KEY)
    assert "secret" not in said["zoo-runner-reason"]


@pytest.fixture
def ingester(tmp_path: Path) -> Iterator[Ingester]:
    ingest = Ingest(
        "http://127.0.0.1:9/{workspace}", BusSettings(BUS["url"], BUS["topic"]), str(tmp_path / "catalogue")
    )

    def resolve(*_: Any) -> Any:
        raise AssertionError

    files = WorkflowFiles(ingest.files, StorageProfile())
    yield Ingester(ingest, Site(tmp_path, tmp_path).settings, FolderRecords(tmp_path), resolve, files, Probes().beat)


def test_what_is_older_than_the_last_message_of_a_file_is_left(ingester: Ingester) -> None:
    key = ingester.build_key("forest")
    ingester.write(key, Record("", deployed={"a": Deployed(KEY, "d", "a")}, seen={KEY: 5}))
    late = ingester.handle(ChangeMessage("forest", "catalogue", deleted=(KEY,)), 4)
    assert (late.outdated, late.done, late.failed) == (1, (), ())
    absent = ingester.handle(ChangeMessage("forest", "catalogue", added=(KEY, "item.json")), 6)
    assert (absent.ignored, [one.problem.code for one in absent.failed]) == (1, ["bus.absent"])
    assert ingester.read(key, "").seen == {KEY: 5}


def test_a_dead_letter_that_is_sent_again_is_as_old_as_it_was() -> None:
    first = Message("a", b"{}", 4, "topic")
    problem = EngineError("it refuses", "Look.", code="harvest.refused").diagnosis
    buried = Message("b", b"{}", 7, "dead", properties=describe_death(first, problem, failing(FAULT)))
    assert (buried.published, buried.sent) == (7, 4)
    again = Message("c", b"{}", 9, "topic", properties={SENT: str(buried.sent)})
    assert (again.sent, describe_death(again, problem, failing(FAULT))[SENT]) == (4, "4")
    # of an earlier release, of the future, and of who writes anything
    for said in ({}, {SENT: "10"}, {SENT: "-1"}, {SENT: "early"}, {SENT: "9" * 5000}):
        assert Message("c", b"{}", 9, "topic", properties=said).sent == 9


def test_of_files_that_never_were_there_only_the_newest_are_remembered(
    ingester: Ingester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo_runner.harvest.ingester.MOST_SEEN", 2)
    keys = [f"{name}.cwl" for name in "abc"]
    for number, key in enumerate(keys):
        ingester.handle(ChangeMessage("forest", "catalogue", deleted=(key,)), number + 1)
    assert ingester.read(ingester.build_key("forest"), "").seen == {"b.cwl": 2, "c.cwl": 3}


def test_an_announcement_that_is_refused_leaves_the_change_to_be_made_again(tmp_path: Path) -> None:
    def refuse(*_: Any) -> None:
        raise EngineError("it has no permission", "Look.", code="bus.refused")

    announcement = Announcement(BusSettings(BUS["url"], BUS["topic"]), str(tmp_path))
    source = Source("https://git.example.org/w", "forest")
    announcer = Announcer(None, announcement, refuse, WorkflowFiles(str(tmp_path), StorageProfile()), source)
    with pytest.raises(UnansweredError) as caught:
        announcer.deploy(Workflow("a.cwl", replace(NO_PACKAGE, workflow_id="a"), "text"), is_ours=False)
    assert (caught.value.sent, caught.value.diagnosis.code) == (True, "bus.refused")


class Consumer:
    """A client's end of a subscription, which is closed from outside."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def receive(self) -> Any:
        self.closed.wait()
        raise pulsar.AlreadyClosed("gone")

    def close(self) -> None:
        self.closed.set()


def test_a_subscription_that_the_client_has_given_up_ends_the_wait_for_messages() -> None:
    consumer = Consumer()
    beats: list[int] = []
    subscription = Subscription(cast(pulsar.Consumer, consumer), lambda: beats.append(1))
    assert subscription.receive(0.01) is None
    consumer.close()
    with pytest.raises(pulsar.AlreadyClosed):
        subscription.receive(None)
    assert len(beats) >= 2
    # one that is left says nothing
    subscription.close()
    assert subscription.receive(None) is None


def test_probes_see_each_step_and_whether_messages_are_received(tmp_path: Path) -> None:
    folder, connected = tmp_path / "probes", [True]
    (folder).mkdir()
    (folder / "ready").touch()
    probes = Probes(folder)
    assert [one.name for one in folder.iterdir()] == ["alive"]
    with probes.watching(lambda: connected[0]):
        assert (folder / "ready").exists()
        connected[0] = False
        os.utime(folder / "alive", (0, 0))
        probes.beat()
        assert (not (folder / "ready").exists(), (folder / "alive").stat().st_mtime > 0) == (True, True)
        connected[0] = True
        probes.beat()
        assert (folder / "ready").exists()
        # a dead letter is sent meanwhile
        with probes.watching(lambda: False):
            assert not (folder / "ready").exists()
        assert (folder / "ready").exists()
    assert not (folder / "ready").exists()
