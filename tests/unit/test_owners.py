"""The locks of owners of leases; each `Owners` stands for a process of its own."""

import threading
from pathlib import Path

from zoo_runner.store.owners import Owners


def test_an_owner_is_alive_as_long_as_it_has_a_lease(tmp_path: Path) -> None:
    mine, other = Owners(tmp_path), Owners(tmp_path)
    mine.take("me", "j1")
    mine.take("me", "j2")
    mine.let_go("me", "j1")
    assert other.is_alive("me")
    mine.let_go("me", "j2")
    assert not other.is_alive("me")
    assert list(tmp_path.iterdir()) == []


def test_no_look_at_an_owner_removes_the_lock_of_a_living_one(tmp_path: Path) -> None:
    mine, other = Owners(tmp_path), Owners(tmp_path)
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            Owners(tmp_path).is_alive("me")

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(300):
            mine.take("me", "j1")
            assert other.is_alive("me")
            mine.let_go("me", "j1")
    finally:
        over.set()
        for looker in lookers:
            looker.join()


def test_the_lock_of_an_owner_that_is_gone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "gone").touch()
    assert not Owners(tmp_path).is_alive("gone")
    assert list(tmp_path.iterdir()) == []
