"""A CWL runner as cwltest starts it, by zoo-runner: `cwl_runner.py [--engine NAME] --outdir=FOLDER --quiet TOOL [JOB]`.

Prints the CWL output object. Exit code 33, by which cwltest knows an unsupported feature, where a package is refused
for one, or requires a container; cwltool without containers does the same. An engine on a cluster stores the results in
the store of `suite.py`, whose folder is CONFORMANCE_STORE.
"""

import argparse
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo_runner.cli.output_object import build_output_object
from zoo_runner.model.job import Results

UNSUPPORTED = 33
REFUSALS = ("code: package.unsupported", "code: containers.unavailable", "code: image.not-found")
STORE = "CONFORMANCE_STORE"


def main(words: list[str]) -> int:
    """Run a test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="local")
    parser.add_argument("--outdir", type=Path, required=True)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("documents", nargs="+")
    given = parser.parse_args(words)
    job = uuid.uuid4().hex
    options = ["--quiet", "--format", "cwl", "--job-id", job, *_choose(given.engine, given.outdir)]
    done = _call(given.outdir, "run", *options, *given.documents)
    sys.stderr.write(done.stderr)
    if done.returncode:
        return UNSUPPORTED if any(refusal in done.stderr for refusal in REFUSALS) else done.returncode
    outputs = json.loads(done.stdout)
    if given.engine != "local":
        document = json.loads(_call(given.outdir, "results", job, "--format", "json").stdout)
        outputs = build_output_object(Results(_bring_here(document), {}, "", _bring_here(outputs)))
    print(json.dumps(_name_folders(outputs, given.outdir / "folders")))
    return 0


def _call(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("zoo-runner")
    return subprocess.run(
        [str(program), *words], check=False, capture_output=True, text=True, env=_build_environment(folder)
    )


def _choose(engine: str, folder: Path) -> list[str]:
    if engine == "local":
        return ["--containers", "none", "--output", str(folder)]
    return ["--engine", engine, "--output", f"s3://results/{uuid.uuid4().hex}"]


def _bring_here(value: Any) -> Any:
    """Replace addresses in the results store by those of its files, which lie on this machine."""
    if isinstance(value, list):
        return [_bring_here(each) for each in value]
    if isinstance(value, dict):
        return {key: _bring_here(each) for key, each in value.items()}
    if not (isinstance(value, str) and value.startswith("s3://")):
        return value
    return (Path(os.environ[STORE]) / unquote(value.removeprefix("s3://"))).as_uri()  # noqa: TID251 this is a command


def _build_environment(folder: Path) -> dict[str, str]:
    """Keep logs and records of the tests away from those of the user; empty results are results in CWL."""
    own = {
        "ZOO_RUNNER_STATE": str(folder / "jobs"),
        "ZOO_RUNNER_TEMP": str(folder / "logs"),
        "ZOO_RUNNER_SCRATCH": str(folder / "scratch"),
        "STAGEOUT_KEEP_EMPTY_FOLDERS": "true",
    }
    return {**os.environ, **own}  # noqa: TID251 this is a command


def _name_folders(value: Any, links: Path) -> Any:
    """Give each Directory a location that ends in its name, as cwltest expects: a link to where it is published."""
    if isinstance(value, list):
        return [_name_folders(each, links) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("class") != "Directory":
        return {key: _name_folders(each, links) for key, each in value.items()}
    place = Path(unquote(urlsplit(value["location"]).path))
    links.mkdir(exist_ok=True)
    link = links / str(len(list(links.iterdir()))) / value["basename"]
    link.parent.mkdir()
    link.symlink_to(place)
    renamed: dict[str, Any] = json.loads(json.dumps(value).replace(value["location"], link.as_uri()))
    return renamed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
