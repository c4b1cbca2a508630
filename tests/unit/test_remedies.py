"""Remedies as a client of the API reads them: it can run no command on the server's machine."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo_runner
from zoo_runner.cli.main import cli
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.remedies import REQUESTS, Readers, fit_remedy
from zoo_runner.server.problems import describe_problem

PACKAGE = Path(str(zoo_runner.__file__)).parent
COMMANDS = [*cli.commands, "hera logs", "hera package"]
NAMED = re.compile(rf"zoo-runner (?:{'|'.join(sorted(cli.commands))})\b")
# what these say is read by who runs commands
OF_COMMANDS = ("cli", "hera", "harvest", "system_test", "config", "zoo")


@pytest.mark.parametrize(
    ("remedy", "fitting"),
    [
        ("Read `zoo-runner logs -f j-1`, or", "Read `GET /jobs/j-1/logs`, or"),
        ("End: `zoo-runner cancel`.", "End: `DELETE /jobs/{id}`."),
        ("Look: `zoo-runner show j-1`.", "Look: `GET /jobs/j-1`."),
        ("`zoo-runner describe`", "`GET /processes/{id}`"),
        ("`zoo-runner validate` finds it.", "`POST /processes?dryRun=true` finds it."),
        ("`zoo-runner diagnose` helps.", "the operator's `zoo-runner diagnose` helps."),
        ("`zoo-runner hera package template/echo`", f"`{REQUESTS['hera package'].replace('{about}', 'echo')}`"),
        ("Update zoo-runner.", "Update zoo-runner."),
    ],
)
def test_a_command_becomes_the_request_that_does_the_same(remedy: str, fitting: str) -> None:
    assert fit_remedy(remedy) == fitting
    diagnosis = Diagnosis(Stage.EXECUTE, Level.USER, "cause", remedy, code="job.lost")
    assert describe_problem(diagnosis, 400)["diagnosis"]["remedy"] == fitting


def test_clients_of_zoo_have_the_requests_that_it_has() -> None:
    remedy = "Read `zoo-runner logs j-1`, see `zoo-runner show j-1`."
    assert fit_remedy(remedy, Readers.ZOO) == "Read the operator's `zoo-runner logs j-1`, see `GET /jobs/j-1`."
    assert fit_remedy(remedy, Readers.COMMANDS) == remedy


def test_requests_stand_for_commands_that_there_are() -> None:
    assert set(REQUESTS) <= set(COMMANDS)


def list_texts() -> Iterator[tuple[str, str]]:
    """Every text of the layers whose errors reach the API, with the module; values in it are a word."""
    for path in sorted(PACKAGE.rglob("*.py")):
        # to parse all modules takes seconds
        if path.relative_to(PACKAGE).parts[0] in OF_COMMANDS or not NAMED.search(text := path.read_text()):
            continue
        tree = ast.parse(text)
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) in parts | notes:
                continue
            if isinstance(node, ast.JoinedStr):
                pieces = [str(one.value) if isinstance(one, ast.Constant) else "7" for one in node.values]
                yield str(path.relative_to(PACKAGE)), "".join(pieces)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield str(path.relative_to(PACKAGE)), node.value


def test_no_text_names_a_command_that_is_not_fitted() -> None:
    """A command between backticks is fitted, wherever an error is raised; pages show what to type elsewhere."""
    found = [(module, text) for module, text in list_texts() if NAMED.search(text) and "pages/" not in module]
    assert len(found) > 15
    fitted = {place: fit_remedy(place[1]).replace("the operator's `zoo-runner", "") for place in found}
    assert [place for place, text in fitted.items() if NAMED.search(text)] == []
