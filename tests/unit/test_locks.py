"""The lock of a job, held and looked at from several places at once; each opening of the file is a party of its own."""

import threading
from pathlib import Path

from zoo_runner.store.locks import SERVICE


def test_a_lock_is_held_as_long_as_the_work_lasts(tmp_path: Path) -> None:
    assert not SERVICE.is_held(tmp_path)
    with SERVICE.hold(tmp_path):
        assert SERVICE.is_held(tmp_path)
    assert not SERVICE.is_held(tmp_path)


def test_a_lock_that_several_hold_is_held_until_the_last_lets_go(tmp_path: Path) -> None:
    with SERVICE.hold(tmp_path):
        with SERVICE.hold(tmp_path):
            pass
        assert SERVICE.is_held(tmp_path)
    assert not SERVICE.is_held(tmp_path)


def test_the_end_of_the_work_is_waited_for(tmp_path: Path) -> None:
    over = threading.Event()

    def wait() -> None:
        SERVICE.wait_released(tmp_path)
        over.set()

    with SERVICE.hold(tmp_path):
        threading.Thread(target=wait, daemon=True).start()
        assert not over.wait(0.1)
    assert over.wait(10)
