"""Progress of thousands of files."""

from zoo_staging.progress import Transferred, pace


def count(done: int, total: int, size_bytes: int = 0) -> Transferred:
    return Transferred("stage-out", f"file-{done}", done, total, size_bytes, None)


def test_each_of_some_files_is_reported_and_of_thousands_not_each() -> None:
    reported: list[Transferred] = []
    report = pace(reported.append)
    for done in range(1, 50_001):
        report(count(done, 50_000))
    counts = [one.files_done for one in reported]
    assert counts[:1000] == list(range(1, 1001))
    assert len(counts) < 1200
    assert counts[-1] == 50_000


def test_parts_of_a_file_are_reported_once_a_second_and_its_end_at_once() -> None:
    reported: list[Transferred] = []
    report = pace(reported.append)
    report(count(1, 3))
    for size_bytes in range(10_000):
        report(count(1, 3, size_bytes))
    report(count(2, 3))
    assert [one.files_done for one in reported] == [1, 2]
