"""What the server remembers of requests stays within its limit, and what is used stays longest."""

from zoo_runner.server.access.remembered import ENTRY_BYTES, Remembered


def test_what_was_not_used_for_longest_is_forgotten_first() -> None:
    kept: Remembered[int] = Remembered(3 * ENTRY_BYTES)
    for number in range(3):
        kept.put(str(number), number)
    assert kept.get("0") == 0
    kept.put("3", 3)
    assert [kept.get(str(number)) for number in range(4)] == [0, None, 2, 3]


def test_a_large_value_takes_the_place_of_several_and_one_that_does_not_fit_is_not_kept() -> None:
    kept: Remembered[str] = Remembered(3 * ENTRY_BYTES)
    for key in "abc":
        kept.put(key, key)
    kept.put("large", "", ENTRY_BYTES)
    assert (kept.get("a"), kept.get("b"), kept.get("c"), kept.get("large")) == (None, None, "c", "")
    # a value that is put again counts once
    for _ in range(5):
        kept.put("c", "c")
    assert len(kept) == 2
    kept.put("too large", "", 5 * ENTRY_BYTES)
    assert len(kept) == 0
