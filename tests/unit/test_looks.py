"""Jobs that begin within the same second share a look at their namespace, and no job relies on an older one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from zoo_runner.engines.kubernetes.looks import LOOK_SECONDS, Looks


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_jobs_of_the_same_second_look_once_and_later_ones_again() -> None:
    clock, looked = Clock(), list[str]()
    looks = Looks(clock)
    for name in ("a", "a", "b"):
        looks.share(name, lambda name=name: looked.append(name))  # type: ignore[misc]
    assert looked == ["a", "b"]
    clock.now += LOOK_SECONDS
    looks.share("a", lambda: looked.append("a"))
    assert looked == ["a", "b", "a"]


def test_a_look_counts_from_its_begin_on() -> None:
    """What is changed while it goes on may have been read before."""
    clock, looked = Clock(), list[str]()
    looks = Looks(clock)

    def look() -> None:
        looked.append("a")
        clock.now += LOOK_SECONDS

    looks.share("a", look)
    looks.share("a", look)
    assert looked == ["a", "a"]


def test_a_look_that_failed_is_made_again_by_the_next_job() -> None:
    looks, looked = Looks(), list[str]()

    def refuse() -> None:
        raise PermissionError("no network policy")

    for _ in range(2):
        with pytest.raises(PermissionError):
            looks.share("a", refuse)
    looks.share("a", lambda: looked.append("a"))
    assert looked == ["a"]


def test_whoever_comes_meanwhile_waits_for_the_end_of_the_look() -> None:
    looks, begun, may_end, done = Looks(), threading.Event(), threading.Event(), list[str]()

    def look() -> None:
        begun.set()
        assert may_end.wait(10)
        done.append("look")

    def share(_: int) -> None:
        looks.share("a", look)
        done.append("job")

    with ThreadPoolExecutor(4) as pool:
        shared = [pool.submit(share, number) for number in range(4)]
        assert begun.wait(10)
        assert done == []
        may_end.set()
        for one in shared:
            one.result(10)
    assert done == ["look", *["job"] * 4]


def test_places_of_one_job_each_are_not_kept() -> None:
    clock = Clock()
    looks = Looks(clock)
    for number in range(50):
        looks.share(str(number), lambda: None)
        clock.now += LOOK_SECONDS
    assert len(looks._places) == 1
