"""Runs the packages of tests/data/packages/features."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.values import PACKAGES
from zoo_runner.engines import open_engine
from zoo_runner.errors import Diagnosis
from zoo_runner.events import EngineLine, Event, StepEnded
from zoo_runner.execute import accept_job, run_job
from zoo_runner.orders import read_order
from zoo_runner.resolve import load_package
from zoo_runner.settings import load_settings

FEATURES = PACKAGES / "features"


@dataclass(frozen=True)
class Told:
    """How a job ended and what it told."""

    document: Any
    diagnosis: Diagnosis | None
    events: list[Event]

    @property
    def steps(self) -> dict[str, StepEnded]:
        """The steps that ended, by name."""
        return {event.step: event for event in self.events if isinstance(event, StepEnded)}

    @property
    def complaints(self) -> list[str]:
        """What the engine warned of, but for the note that there is no container."""
        lines = [e.text for e in self.events if isinstance(e, EngineLine) and e.severity in ("warning", "error")]
        return [line for line in lines if "packages that you trust" not in line]


def run_package(path: str, folder: Path, *words: str, **environ: str) -> Told:
    """Run the package of a folder of features/ with its inputs.yml, in an installation of its own in `folder`."""
    name = Path(path).name
    settings = load_settings(
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
    package = load_package(f"{FEATURES / path / name}.cwl#{name}", settings)
    order = read_order(package, str(FEATURES / path / "inputs.yml"), words, settings)
    job = accept_job(package, order.values, lambda _: str(folder / "results"), settings)
    events: list[Event] = []
    outcome = run_job(job, open_engine("local", settings), settings, events.append)
    return Told(outcome.results and outcome.results.document, outcome.diagnosis, events)
