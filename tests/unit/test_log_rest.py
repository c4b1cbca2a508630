"""What of a step's output is only in the log of its pod, because the volume took no more of it."""

from pathlib import Path

import pytest

from zoo_runner.engines.kubernetes.job_pod.printed import LogRest, Printed
from zoo_runner.engines.kubernetes.job_pod.printing import END, NO_MORE_HERE, ONLY_HERE


def put_together(folder: Path, parts: list[str], log: list[str], at_once: int) -> list[str]:
    lines = list[str]()
    for number, text in enumerate(parts):
        (folder / str(number)).write_text(text)
    printed = Printed(folder, lines.extend)
    assert printed.finish() is False
    rest = LogRest(printed, lines.extend)
    for at in range(0, len(log), at_once):
        rest.take(log[at : at + at_once])
    rest.end()
    printed.end()
    return lines


@pytest.mark.parametrize("at_once", [1, 100])
@pytest.mark.parametrize(
    ("parts", "log", "lines"),
    [
        ([], ["a", "b"], ["a", "b"]),
        ([], [ONLY_HERE, "a", "b"], ["a", "b"]),
        ([""], [ONLY_HERE, "a", "b"], ["a", "b"]),
        (["a\nb\nc"], ["a", "b", f"cd{ONLY_HERE}", "e", "f"], ["a", "b", "cde", "f"]),
        (["a\nb"], ["a", "b", f"c{ONLY_HERE}"], ["a", "b", "c"]),
        (["a\nb\nc\n", "d"], ["a", "", NO_MORE_HERE, ONLY_HERE, "e"], ["a", "b", "c", "d", "e"]),
        # killed: the log of the pod has nothing that the volume does not have
        (["a\nb\nlast"], ["a", "b", "last"], ["a", "b", "last"]),
    ],
    ids=["no-folder", "no-programs", "full-at-once", "full-in-a-line", "full-at-the-end", "full-later", "killed"],
)
def test_each_line_is_there_once(
    tmp_path: Path, parts: list[str], log: list[str], lines: list[str], at_once: int
) -> None:
    assert put_together(tmp_path, parts, log, at_once) == lines


def test_where_the_step_has_come_to_its_end_the_volume_has_all(tmp_path: Path) -> None:
    (tmp_path / "0").write_text("a\n")
    (tmp_path / END).touch()
    assert Printed(tmp_path, lambda lines: None).finish() is True
