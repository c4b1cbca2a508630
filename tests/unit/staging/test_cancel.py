import pytest

from zoo_staging.cancel import Cancellation

pytestmark = pytest.mark.unit


def test_who_asked_is_called_once_when_the_switch_is_pressed() -> None:
    switch, calls = Cancellation(), list[str]()
    switch.on_cancel(lambda: calls.append("a"))
    withdraw = switch.on_cancel(lambda: calls.append("b"))
    withdraw()
    switch.cancel()
    switch.cancel()
    assert calls == ["a"]
    assert switch.cancelled


def test_who_asks_too_late_is_called_at_once() -> None:
    switch, calls = Cancellation(), list[str]()
    switch.cancel()
    switch.on_cancel(lambda: calls.append("late"))()
    assert calls == ["late"]
