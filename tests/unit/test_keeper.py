"""The keeper of leases: what it reads and what it writes."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.contract.stores import PACKAGE, build_job
from zoo_runner.execution.keeper import Keeper
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.store.memory import MemoryStore
from zoo_runner.store.protocol import Held, Lease


class Counted(MemoryStore):
    """Counts what is renewed, and says when leases were looked at often enough."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.renewed = 0
        self.looked = threading.Semaphore(0)
        self._looks = looks

    def renew(self, lease: Lease, seconds: float) -> Lease | None:
        self.renewed += 1
        return super().renew(lease, seconds)

    def find_held(self, leases: Sequence[Lease]) -> Mapping[str, Held | None]:
        found = super().find_held(leases)
        self.looked.release()
        return found

    def wait(self) -> None:
        """Wait until leases were looked at so often."""
        for _ in range(self._looks):
            assert self.looked.acquire(timeout=30)


def take(store: MemoryStore, owner: str = "me") -> Lease:
    store.create(build_job(1), PACKAGE)
    lease = store.lease("job-1", owner, 60)
    assert lease
    return lease


def test_a_lease_is_renewed_once_a_third_of_it_is_over_and_looked_at_in_between() -> None:
    store = Counted(looks=20)
    lease = take(store)
    with Keeper(store, beat_seconds=0.001, lease_seconds=600).keeping(lease, Cancellation(), None):
        store.wait()
    assert store.renewed == 1


def test_a_request_to_cancel_is_noticed_without_a_renewal() -> None:
    store, cancellation, cancelled = Counted(looks=2), Cancellation(), threading.Event()
    cancellation.when_cancelled(cancelled.set)
    lease = take(store)
    with Keeper(store, beat_seconds=0.001, lease_seconds=600).keeping(lease, cancellation, None):
        store.wait()
        assert not cancelled.is_set()
        store.update(replace(store.get("job-1"), cancel_requested=True))
        assert cancelled.wait(30)
    assert store.renewed == 1


def test_a_lease_that_another_took_is_noticed_before_it_would_be_renewed() -> None:
    store, lost = Counted(looks=2), threading.Event()
    lease = take(store)
    with Keeper(store, beat_seconds=0.001, lease_seconds=600).keeping(lease, Cancellation(), None, lost.set):
        store.wait()
        store.release(lease)
        assert store.lease("job-1", "other", 60)
        assert lost.wait(30)
    # once more, which is what shows that it is another's
    assert store.renewed >= 2


def test_a_lease_that_is_over_and_that_nobody_took_is_renewed() -> None:
    """As after a machine has slept: its clock goes on, and the one that beats are counted by does not."""
    store, lost = Counted(looks=3), threading.Event()
    lease = take(store)
    with Keeper(store, beat_seconds=0.001, lease_seconds=600).keeping(lease, Cancellation(), None, lost.set):
        store.wait()
        assert store.lease("job-1", "me", -1)
        store.wait()
        held = store.find_lease("job-1")
    assert held and held.owner == "me"
    assert not lost.is_set()
