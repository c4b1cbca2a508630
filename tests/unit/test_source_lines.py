"""Findings beside the lines of the documents of a deployment."""

from typing import Literal

from zoo_runner.server.documents import PreflightProblem
from zoo_runner.server.pages.source_lines import Source, place_findings


def found(
    line: int | None, level: Literal["error", "warning"] = "warning", document: str = "a.cwl"
) -> PreflightProblem:
    problem: PreflightProblem = {"code": "c", "level": level, "pointer": "", "message": f"{line}", "remedy": "r"}
    return {**problem, "document": document, "line": line} if line is not None else problem


def write(count: int) -> str:
    return "\n".join(f"text {number}" for number in range(1, count + 1))


def number(source: Source) -> list[int]:
    return [line.number for line in source.lines]


def test_a_short_text_is_shown_whole_with_each_finding_beside_its_line() -> None:
    seen = place_findings([found(2), found(2, "error"), found(None)], {"a.cwl": write(3)}.get)
    (source,) = seen.sources
    assert [(line.text, len(line.findings)) for line in source.lines] == [("text 1", 0), ("text 2", 2), ("text 3", 0)]
    assert [one["level"] for one in source.lines[1].findings] == ["error", "warning"]
    assert (source.marked, source.left, [one["message"] for one in seen.rest]) == ((2,), 0, ["None"])


def test_of_a_long_text_the_lines_around_findings_are_shown() -> None:
    (source,) = place_findings([found(500), found(503), found(9_999)], {"a.cwl": write(10_000)}.get).sources
    assert number(source) == [*range(496, 508), *range(9_995, 10_001)]
    assert [line.skipped for line in source.lines if line.skipped] == [495, 9_994 - 507]
    assert source.left == 0


def test_what_is_shown_is_bounded_and_errors_come_first() -> None:
    many = [found(20 * one) for one in range(1, 1_000)]
    seen = place_findings([*many, found(30_000, "error")], {"a.cwl": write(40_000)}.get)
    (source,) = seen.sources
    assert (len(source.lines) <= 600, seen.left) == (True, 800)
    (error,) = [
        one for one in (*seen.rest, *(f for line in source.lines for f in line.findings)) if one["level"] == "error"
    ]
    assert error["line"] == 30_000
    assert len(seen.rest) + len(source.marked) == 200


def test_an_error_at_the_end_of_a_long_text_is_shown_before_its_many_warnings() -> None:
    many = [found(20 * one) for one in range(1, 190)]
    (source,) = place_findings([*many, found(30_000, "error")], {"a.cwl": write(40_000)}.get).sources
    assert 30_000 in source.marked
    assert number(source) == sorted(number(source))


def test_a_very_long_line_is_cut_and_lines_end_as_those_of_yaml_do() -> None:
    text = f"a\r\nb\rc\u2028d\n{'x' * 5_000}"
    (source,) = place_findings([found(3)], {"a.cwl": text}.get).sources
    assert [line.text for line in source.lines[:3]] == ["a", "b", "c\u2028d"]
    assert len(source.lines[3].text) < 500


def test_findings_in_what_cannot_be_shown_are_listed() -> None:
    assert place_findings([found(3)], lambda _: None).rest == (found(3),)
    assert place_findings([found(30)], {"a.cwl": "one line"}.get).rest == (found(30),)
    several = [found(1, document=f"{letter}.cwl") for letter in "abcdefg"]
    seen = place_findings(several, lambda _: "text")
    assert ([one.name for one in seen.sources], len(seen.rest)) == ([f"{one}.cwl" for one in "abcde"], 2)
