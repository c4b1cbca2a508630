"""Rules of watching: what changed while nobody looked is told."""

from zoo_runner.engines.manifests import Manifest
from zoo_runner.engines.streams import compare, remember


def build(uid: str, version: str) -> Manifest:
    return {"metadata": {"uid": uid, "resourceVersion": version}}


def test_what_is_new_changed_and_gone_since_is_told_once() -> None:
    known = {"a": build("a", "1"), "b": build("b", "1"), "c": build("c", "1")}
    told = list(compare(known, [build("a", "1"), build("b", "2"), build("d", "3")]))
    assert told == [("DELETED", build("c", "1")), ("MODIFIED", build("b", "2")), ("ADDED", build("d", "3"))]
    assert list(compare(known, [build("a", "1"), build("b", "2"), build("d", "3")])) == []


def test_a_deleted_object_is_forgotten() -> None:
    known = {"a": build("a", "1")}
    remember(known, "DELETED", build("a", "2"))
    assert known == {}
    remember(known, "MODIFIED", build("b", "2"))
    assert known == {"b": build("b", "2")}
