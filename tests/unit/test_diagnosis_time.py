"""What a package prints cannot keep the diagnosis busy: each pattern has bounds, and is quick whatever the text."""

import doctest
import importlib
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from zoo_runner.engines.cwl_process import diagnose, known_errors, mistakes, tool_failures, words
from zoo_runner.engines.cwl_process.diagnose import Findings, diagnose_execution
from zoo_runner.engines.cwl_process.words import cut_text
from zoo_runner.model.events import EngineLine, StepEnded, StepLines

PARSER: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
OF_CATEGORY = {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " ", "CATEGORY_NOT_WORD": " "}
LONG_BYTES = 16_000
ATTACKS = [
    "Error collecting output for parameter a: ",
    "[step s] Cannot make job: Expected value of 'x' to have format y but File has no 'format' { ",
    'Job "s" cannot be run, requests more resources ({})',
    "[job s] Job error: Error validating output record. The 'a' field is not valid because ",
]


def find_patterns(node: Any) -> Iterator["re.Pattern[str]"]:
    if isinstance(node, re.Pattern):
        yield node
    elif isinstance(node, words.Words):
        yield node.compile()
    elif is_dataclass(node) and not isinstance(node, type):
        for field in fields(node):
            yield from find_patterns(getattr(node, field.name))
    elif isinstance(node, tuple | list):
        for one in node:
            yield from find_patterns(one)


MODULES = (diagnose, known_errors, mistakes, tool_failures)
FOUND = [one for module in MODULES for value in vars(module).values() for one in find_patterns(value)]
PATTERNS = list(dict.fromkeys([*FOUND, *map(known_errors._across_lines, FOUND)]))


def list_repeats(parsed: Any) -> Iterator[int]:
    """The largest numbers of all repeats of a parsed pattern."""
    for operator, argument in parsed:
        if "REPEAT" in str(operator):
            yield int(argument[1])
        for part in argument if isinstance(argument, tuple | list) else ():
            branches = part if isinstance(part, list) else [part]
            for branch in branches:
                if isinstance(branch, PARSER.SubPattern):
                    yield from list_repeats(branch)


def write_sample(parsed: Any) -> Iterator[str]:
    """A text, part by part, that a pattern finds, or comes close to."""
    for operator, argument in parsed:
        match str(operator):
            case "LITERAL":
                yield chr(argument)
            case "IN":
                yield write_one_of(argument)
            case "BRANCH":
                yield "".join(write_sample(argument[1][0]))
            case "SUBPATTERN":
                yield "".join(write_sample(argument[-1]))
            case "MAX_REPEAT" | "MIN_REPEAT":
                yield "".join(write_sample(argument[2])) * max(1, argument[0])
            case "ANY" | "NOT_LITERAL":
                yield "x"


def write_one_of(members: Any) -> str:
    operator, argument = members[0]
    match str(operator):
        case "LITERAL":
            return chr(argument)
        case "RANGE":
            return chr(argument[0])
        case "CATEGORY":
            return OF_CATEGORY.get(str(argument), "x")
    return "x"


def list_attacks(pattern: "re.Pattern[str]") -> set[str]:
    """Each beginning of a sample that ends with a repeat or a group, and so may be begun again and again."""
    parts = list(write_sample(PARSER.parse(pattern.pattern, pattern.flags)))
    cuts = [number for number, part in enumerate(parts, 1) if len(part) != 1 or number == len(parts)]
    return {"".join(parts[:number]) for number in cuts} - {""}


def test_the_example_of_the_module_is_right() -> None:
    assert doctest.testmod(words).failed == 0


def test_no_repeat_of_any_pattern_is_without_a_bound() -> None:
    assert len(PATTERNS) > 80
    unbounded = {one.pattern for one in PATTERNS if max(list_repeats(PARSER.parse(one.pattern)), default=0) > 4000}
    assert unbounded == set()


def test_no_pattern_is_slow_for_a_text_that_begins_it_again_and_again() -> None:
    slow = []
    for pattern in PATTERNS:
        for attack in list_attacks(pattern):
            text = cut_text((attack * (LONG_BYTES // len(attack) + 1))[:LONG_BYTES])
            began = time.process_time()
            pattern.search(text)
            if time.process_time() - began > 2:
                slow.append((pattern.pattern, attack))
    assert slow == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_step_cannot_keep_the_diagnosis_busy(attack: str) -> None:
    findings = Findings()
    findings.add(StepLines("a", (attack * (65_536 // len(attack)),) * 8))
    findings.add(StepEnded("a", 0.0, 1.0, 1, None, None))
    began = time.process_time()
    assert diagnose_execution(findings).diagnosis.step in ("a", "s", None)
    assert time.process_time() - began < 8


def test_of_very_many_complaints_the_first_and_the_last_are_kept() -> None:
    findings = Findings()
    for number in range(10_000):
        findings.add(EngineLine("error", f"{number} {'x' * 100_000 if number < 10 else ''}"))
    assert len(findings.complaints) <= 2000
    assert (findings.complaints[0][:2], findings.complaints[-1]) == ("0 ", "9999 ")
    assert max(map(len, findings.complaints)) < 50_001
