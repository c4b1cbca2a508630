"""Each line of a workflow's log is shown once, however often the stream is opened again."""

import pytest

from zoo_runner.hera.following import Once

EARLY, LATE = "2026-01-31T12:00:00.000000001Z", "2026-01-31T12:00:00.000000002Z"


def take(*streams: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Hand the lines of each stream on, and return what was shown."""
    shown: list[tuple[str, str]] = []
    once = Once(lambda pod, text: shown.append((pod, text)))
    for stream in streams:
        hand_on = once.open_stream()
        for pod, line in stream:
            hand_on(pod, line)
    return shown


def stamp(time: str, *texts: str, pod: str = "p") -> list[tuple[str, str]]:
    return [(pod, f"{time} {text}") for text in texts]


def list_lines(*texts: str, pod: str = "p") -> list[tuple[str, str]]:
    return [(pod, text) for text in texts]


BURST = stamp(EARLY, "one", "two", "two")


def test_lines_of_one_time_are_all_shown() -> None:
    assert take(BURST) == list_lines("one", "two", "two")


@pytest.mark.parametrize("seen", range(4))
def test_a_stream_that_broke_within_lines_of_one_time_goes_on_after_those_that_were_shown(seen: int) -> None:
    whole = [*BURST, *stamp(LATE, "three", "four")]
    assert take(BURST[:seen], whole, whole) == list_lines("one", "two", "two", "three", "four")


def test_a_line_that_another_overtook_is_shown() -> None:
    assert take([*stamp(LATE, "late"), *stamp(EARLY, "early")]) == list_lines("late", "early")


def test_the_lines_of_each_pod_are_counted_apart() -> None:
    first, other = [*BURST, *stamp(EARLY, "a", pod="q")], stamp(EARLY, "a", "b", pod="q")
    assert take(first, [*other, *BURST]) == list_lines("one", "two", "two") + list_lines("a", "b", pod="q")
