"""What the measurements on a cluster share: their options, an installation with a results store, and their page."""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.options import whole
from bench.page import PAGE, write_part
from bench.peers import ROOT
from bench.servers import ACCESS_KEY, SECRET_KEY, serve_s3
from zoo_runner.config.configuration import Configuration, load_configuration

JOB_IMAGE = "docker.io/zoo-runner/job:dev"
NODE_ADDRESS = "10.240.0.1"
"""Address of this machine for the pods of dev/cluster."""
KUBECONFIG = Path("~/.cache/zoo-runner/cluster/kubeconfig").expanduser()


def build_parser(description: str | None) -> argparse.ArgumentParser:
    """Build the command line that all of them have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=whole(), default=5)
    parser.add_argument(
        "--host", default=NODE_ADDRESS, help="address of this machine for pods [default: dev/cluster's]"
    )
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    return parser


@contextmanager
def installed(host: str, *sources: Path) -> Iterator[tuple[Configuration, Path]]:
    """Have an installation in a folder of its own, and a store with `sources` that pods reach at `host`."""
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as name:
        folder = Path(name)
        (folder / "s3" / "results").mkdir(parents=True)
        for source in sources:
            shutil.copytree(source, folder / "s3" / "source" / source.name)
        with serve_s3(folder / "s3", host) as store:
            yield load_configuration(_build_environ(folder, store.url)), folder


def _build_environ(folder: Path, store: str) -> dict[str, str]:
    environ = {"KUBECONFIG": str(KUBECONFIG), "ZOO_RUNNER_JOB_IMAGE": JOB_IMAGE, **os.environ}  # noqa: TID251 a program
    own = {f"ZOO_RUNNER_{part}": str(folder / part.lower()) for part in ("TEMP", "STATE", "SCRATCH")}
    keys = {"AWS_ENDPOINT_URL": store, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    return {**environ, **own, **keys, "ZOO_RUNNER_WORKSPACE": "bench", "DEFAULT_VOLUME_SIZE": "1Gi"}


def show(table: str, title: str, build_part: Callable[[str], str] | None) -> int:
    """Print a table, and write it as a part of the page; returns 1 where a limit is missed."""
    print(table)
    if build_part:
        write_part(title, build_part(table))
        print(f"\nwritten to {PAGE.relative_to(ROOT)}")
    return 1 if "missed" in table else 0
