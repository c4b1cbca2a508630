import signal
import threading

import pytest

from zoo_runner.model.cancellation import Cancellation, Reason, cancelling_on_signals
from zoo_runner.model.errors import DismissedError, TimeLimitError


def test_only_the_first_reason_counts() -> None:
    cancellation = Cancellation(5)
    cancellation.cancel()
    cancellation.cancel(Reason.TIME_LIMIT)
    assert cancellation.reason is Reason.DISMISSED
    with pytest.raises(DismissedError):
        cancellation.check()


def test_a_time_limit_cancels_by_itself_and_says_how_long_it_was() -> None:
    cancellation = Cancellation(0.01)
    stopped = threading.Event()
    with cancellation.calling(stopped.set), cancellation.deadline():
        assert stopped.wait(10)
    with pytest.raises(TimeLimitError, match=r"0\.01 s") as caught:
        cancellation.check()
    assert "--time-limit" in caught.value.diagnosis.remedy


def test_a_job_that_ends_in_time_is_not_cancelled_later() -> None:
    cancellation, before = Cancellation(3600), set(threading.enumerate())
    with cancellation.deadline():
        (clock,) = set(threading.enumerate()) - before
    clock.join(20)
    assert not clock.is_alive(), "it would strike after an hour"
    cancellation.check()


def test_who_comes_late_is_called_at_once() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    called: list[int] = []
    with cancellation.calling(lambda: called.append(1)):
        assert called == [1]


def test_who_is_done_is_not_called_any_more() -> None:
    cancellation = Cancellation()
    called: list[int] = []
    with cancellation.calling(lambda: called.append(1)):
        pass
    cancellation.cancel()
    assert called == []


def test_a_callback_may_cancel_again_as_a_signal_handler_does() -> None:
    cancellation = Cancellation()
    with cancellation.calling(cancellation.cancel):
        cancellation.cancel()
    assert cancellation.reason is Reason.DISMISSED


@pytest.mark.parametrize("ignored", [True, False], ids=["nohup", "terminal"])
def test_the_end_of_the_terminal_stops_a_job_unless_it_was_started_to_outlive_it(ignored: bool) -> None:
    cancellation = Cancellation()
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        with cancelling_on_signals(cancellation):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, former)
    assert cancellation.reason is (None if ignored else Reason.DISMISSED)
