"""Runs the packages of tests/data/packages/features."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.site import run_draft
from tests.values import PACKAGES
from zoo_runner.config.configuration import load_configuration
from zoo_runner.engines import open_engine
from zoo_runner.execution.accept import draft_job
from zoo_runner.inputs.job_file import read_order
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.events import EngineLine, Event, StepEnded
from zoo_runner.package.loading import load_package

FEATURES = PACKAGES / "features"
WORKING = sorted(path.parent.name for path in FEATURES.glob("*/expected.json"))


@dataclass(frozen=True)
class Expected:
    """How a job ended and what it reported."""

    document: Any
    diagnosis: Diagnosis | None
    events: list[Event]

    @property
    def steps(self) -> dict[str, StepEnded]:
        """The steps that ended, by name."""
        return {event.step: event for event in self.events if isinstance(event, StepEnded)}

    @property
    def complaints(self) -> list[str]:
        """What was warned of, but for what is said of all runs without container, empty scatters and empty folders."""
        lines = [e.text for e in self.events if isinstance(e, EngineLine) and e.severity in ("warning", "error")]
        usual = ("you trust", "over empty input", "empty folders")
        return [line for line in lines if not any(words in line for words in usual)]


def show(value: Any) -> Any:
    """A result as a test compares it: a file by its text, a folder by its files, anything else as it is."""
    if isinstance(value, list):
        return [show(member) for member in value]
    if not isinstance(value, dict):
        return value
    if "href" not in value:
        return {key: show(member) for key, member in value.items()}
    path = Path(unquote(urlsplit(value["href"]).path))
    if value.get("type") != "application/geo+json":
        return path.read_text()
    files = (file for file in path.parent.rglob("*") if file.is_file() and file != path)
    return {str(file.relative_to(path.parent)): file.read_text() for file in files}


def run_package(path: str, folder: Path, *words: str, **environ: str) -> Expected:
    """Run the package of a folder of features/ with its inputs.yml, in an installation of its own in `folder`."""
    name = Path(path).name
    configuration = load_configuration(
        {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
            "ZOO_RUNNER_TEMP": str(folder / "temp"),
            "ZOO_RUNNER_STATE": str(folder / "state"),
            "ZOO_RUNNER_SCRATCH": str(folder / "scratch"),
            "ZOO_RUNNER_CACHE": str(folder / "cache"),
            "ZOO_RUNNER_CONTAINERS": "none",
            **environ,
        }
    )
    package = load_package(f"{FEATURES / path / name}.cwl#{name}", configuration.settings)
    order = read_order(package, str(FEATURES / path / "inputs.yml"), words, configuration.settings)
    job = draft_job(package, order.values, lambda _: str(folder / "results"), configuration.workspace)
    events: list[Event] = []
    outcome = run_draft(job, open_engine("local", configuration), configuration, events.append)
    return Expected(outcome.results and outcome.results.document, outcome.diagnosis, events)
