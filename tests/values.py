"""Values that tests of the runner share: small, valid, and made without I/O."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo_runner.config.configuration import Configuration, load_configuration
from zoo_runner.config.folders import JobPaths
from zoo_runner.config.settings import Settings
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Folders, Workspace
from zoo_runner.package.loading import build_package

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
PACKAGES = ROOT / "tests" / "data" / "packages"
FAILING = PACKAGES / "failing"


def job_paths(workflow_id: str = "water", job_id: str = "j1", folder: Path = Path("/none")) -> JobPaths:
    return JobPaths(workflow_id, job_id, folder / "temp", folder / "state" / job_id, folder / "scratch" / job_id)


def small_package(**tool: Any) -> Package:
    """A package of one tool without inputs."""
    process = {"class": "CommandLineTool", "id": "#main", "inputs": [], "outputs": [], "baseCommand": "true", **tool}
    return build_package({"cwlVersion": "v1.2", "$graph": [process]}, "#main", "water", {}, ())


def small_job(folder: Path, order: Mapping[str, Any] | None = None, job_id: str = "j1", **tool: Any) -> JobSpec:
    return JobSpec(job_paths("water", job_id, folder), small_package(**tool), order or {}, str(folder / "results"))


def workspace_of(name: str = "default", namespace: str | None = None) -> Workspace:
    """A workspace with folders that nobody uses."""
    return Workspace(name, Folders(Path("temp"), Path("state"), Path("scratch")), namespace=namespace)


def configuration_in(folder: Path, **environ: str) -> Configuration:
    """Configuration of an installation of its own, without containers."""
    return load_configuration(
        {
            "ZOO_RUNNER_TEMP": str(folder / "temp"),
            "ZOO_RUNNER_STATE": str(folder / "state"),
            "ZOO_RUNNER_SCRATCH": str(folder / "scratch"),
            "ZOO_RUNNER_CACHE": str(folder / "cache"),
            "ZOO_RUNNER_CONTAINERS": "none",
            **environ,
        }
    )


def settings_in(folder: Path, **environ: str) -> Settings:
    """Settings of such an installation."""
    return configuration_in(folder, **environ).settings
