"""Runs the tour: two servers, two application packages, one page with the pictures.

Usage: python -m demo [--keep]
"""

import argparse
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console

from demo.page import Chapter, Picture, build_page
from demo.servers import S3Server, serve_http, serve_s3
from demo.service import run_job, serve_service
from demo.show import Screen, read_series

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "demo-output"
S3_FOLDER = OUTPUT / "s3"
LOGS = OUTPUT / "logs"
LANDSAT = "landsat-p035r032-sr"
SENTINEL = "sentinel-2-l1c/S2A_33UUU_20170216_L1C"


@dataclass(frozen=True)
class Tour:
    """What the chapters share: where to show, and what the commands see."""

    screen: Screen
    environ: Mapping[str, str]

    def run(self, *words: str) -> dict[str, Any]:
        """Run a command of the CLI as a user would and return the document it prints."""
        self.screen.command(words)
        with subprocess.Popen(words, cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, text=True) as process:
            try:
                printed, _ = process.communicate()
            except BaseException:
                # the runner cleans up after itself when it is asked to stop
                process.terminate()
                raise
        if process.returncode:
            sys.exit(f"demo: this command failed with exit code {process.returncode}; its own words are above")
        document: dict[str, Any] = json.loads(printed)
        return document


def main() -> None:
    """Take the tour; the servers end with it, in whatever way it ends."""
    parser = argparse.ArgumentParser(prog="demo", description="Two application packages on real satellite data.")
    parser.add_argument("--keep", action="store_true", help="keep the servers until Ctrl-C, to try commands yourself")
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, _stop)
    try:
        _take_tour(keep)
    except KeyboardInterrupt:
        sys.exit("demo: stopped; the servers have ended")
    except RuntimeError as error:
        sys.exit(f"demo: {error}")


def _take_tour(keep: bool) -> None:
    started = time.monotonic()
    screen = Screen(Console())
    _clear_output()
    screen.title("Servers on this machine")
    with serve_http(ROOT / "examples" / "data") as web, serve_s3(S3_FOLDER, OUTPUT / "s3-server.log") as s3:
        _introduce(screen, web, s3)
        tour = Tour(screen, {**os.environ, **_build_environ(s3)})  # noqa: TID251 as a user's shell would hand it on
        chapters = [_run_vegetation(tour, web), _run_water(tour)]
        (OUTPUT / "index.html").write_text(build_page(chapters, OUTPUT), encoding="utf-8")
        if not keep:
            _say_goodbye(screen, time.monotonic() - started, None)
            return
        screen.title("3  The same as a service: a server with pages for browsers")
        with serve_service(_build_server_environ(tour.environ, web), OUTPUT / "server") as address:
            page = run_job(address, ROOT / "examples" / "water" / "water.cwl", {"item": {"href": _find_scene(web)}})
            _say_goodbye(screen, time.monotonic() - started, page)
            signal.pause()


def _clear_output() -> None:
    """Make an empty output folder with the buckets in it; one of them holds the Sentinel-2 scene."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    (S3_FOLDER / "results").mkdir(parents=True)
    shutil.copytree(ROOT / "examples" / "data" / SENTINEL, S3_FOLDER / "eo-data" / SENTINEL)


def _build_environ(s3: S3Server) -> dict[str, str]:
    """Settings of the runs: everything lies in the output folder, and S3 is the server above."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),  # noqa: TID251
        "ZOO_RUNNER_TEMP": str(LOGS),
        "ZOO_RUNNER_STATE": str(OUTPUT / "state"),
        "ZOO_RUNNER_SCRATCH": str(OUTPUT / "scratch"),
        "ZOO_RUNNER_CACHE": str(OUTPUT / "cache"),
        "ZOO_RUNNER_CONTAINERS": "none",
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_ACCESS_KEY_ID": s3.access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3.secret_access_key,
    }


def _build_server_environ(environ: Mapping[str, str], web: str) -> dict[str, str]:
    """Settings of the server: its steps run as plain programs too, and may read from the web server above."""
    folder = OUTPUT / "server"
    return {
        **environ,
        "ZOO_RUNNER_STATE": str(folder / "state"),
        "ZOO_RUNNER_TEMP": str(folder / "logs"),
        "ZOO_RUNNER_RESULTS_FOLDER": str(folder / "results"),
        "ZOO_RUNNER_ISOLATION": "trusted",
        "ZOO_RUNNER_CATALOGS": f"{web}/catalog.json",
        "ZOO_RUNNER_LINK_SECRET": secrets.token_hex(32),
        "STAGEIN_PRIVATE_HOSTS": "127.0.0.1",
    }


def _find_scene(web: str) -> str:
    return f"{web}/{SENTINEL}/{SENTINEL.rpartition('/')[2]}.json"


def _introduce(screen: Screen, web: str, s3: S3Server) -> None:
    script = OUTPUT / "env.sh"
    script.touch(mode=0o600)
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in _build_environ(s3).items() if name != "PATH"]
    script.write_text("".join([*lines, f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n']))
    screen.say(f"web  {web}  serves examples/data: eight Landsat dates of 2008, as STAC items")
    screen.say(f"S3   {s3.endpoint}  has the buckets eo-data (a Sentinel-2 scene) and results (empty)")
    screen.say(
        "The commands below are what you would type; their settings are in demo-output/env.sh. Containers are\n"
        "switched off here (ZOO_RUNNER_CONTAINERS=none): steps run as plain programs, which is for packages you trust."
    )


def _run_vegetation(tour: Tour, web: str) -> Chapter:
    screen = tour.screen
    screen.title("1  Vegetation through a year: eight scenes over HTTP, results to S3")
    items = sorted((ROOT / "examples" / "data" / LANDSAT).glob("L*/L*.json"), key=lambda path: path.stem[9:16])
    urls = [f"{web}/{LANDSAT}/{path.parent.name}/{path.name}" for path in items]
    inputs = OUTPUT / "vegetation.yml"
    listed = "".join(f"  - {{class: Directory, location: {url}}}\n" for url in urls)
    inputs.write_text(f"items:\n{listed}index: ndvi\nplace: of a forest in Colorado\n", encoding="utf-8")
    screen.say(f"The inputs, demo-output/vegetation.yml, name {len(urls)} STAC items by URL, the first one\n{urls[0]}")
    package, order = "examples/vegetation/vegetation.cwl", "demo-output/vegetation.yml"
    words = ("run", package, order, "--output", "s3://results/vegetation", "--job-id", "demo-vegetation")
    ended = tour.run("zoo-runner", *words, "--format", "json")
    results = S3_FOLDER / "results" / "vegetation" / "results"
    rows = read_series(results / "series" / "series.csv")
    _show_end(screen, ended)
    screen.say("")
    screen.series(rows)
    return Chapter(
        "Vegetation through a year",
        f"NDVI of the clear pixels of {len(rows)} Landsat dates, fetched over HTTP; results in s3://results/vegetation.",
        shlex.join(["zoo-runner", *words]),
        Picture(results / "series" / "series.png", "Median NDVI by date, with the clear share of each scene"),
        [Picture(results / row["item"] / "quicklook.png", row["date"]) for row in rows],
        [*_link_logs(ended), ("Table", results / "series" / "series.csv"), ("STAC catalog", results / "catalog.json")],
    )


def _run_water(tour: Tour) -> Chapter:
    screen = tour.screen
    screen.title("2  Water: a Sentinel-2 scene from S3, results to a folder")
    name = SENTINEL.rpartition("/")[2]
    source = f"s3://eo-data/{SENTINEL}/{name}.json"
    inputs = ("-i", f"item={source}", "-i", "threshold=0.0")
    words = ("run", "examples/water/water.cwl", *inputs, "--output", "demo-output/water", "--job-id", "demo-water")
    ended = tour.run("zoo-runner", *words, "--format", "json")
    results = OUTPUT / "water" / "results"
    _show_end(screen, ended)
    share = float(ended["results"]["water_fraction"])
    screen.say(f"\nShare of water in the scene: [bold blue]{share:.1%}[/]")
    return Chapter(
        "Water",
        f"NDWI of one Sentinel-2 scene, fetched from S3: {share:.1%} of it is water.",
        shlex.join(["zoo-runner", *words]),
        Picture(results / f"{name}-water" / "quicklook.png", "True colour, and NDWI with water in blue"),
        [],
        [*_link_logs(ended), ("STAC catalog", results / "catalog.json")],
    )


def _show_end(screen: Screen, ended: Mapping[str, Any]) -> None:
    screen.say("\nThe results document that it printed:")
    screen.document(ended)
    job_log, step_logs = Path(ended["log"]), Path(ended["stepLogs"])
    screen.say(f"\nThe whole story of the job: [bold]{job_log.relative_to(ROOT)}[/]; what each step said and used:")
    screen.listing(str(step_logs.relative_to(ROOT)), step_logs)


def _link_logs(ended: Mapping[str, Any]) -> list[tuple[str, Path]]:
    job_log, step_logs = Path(ended["log"]), Path(ended["stepLogs"])
    return [("Log of the job", job_log), ("What each step used", step_logs / "usage.json")]


def _say_goodbye(screen: Screen, seconds: float, page: str | None) -> None:
    """Say what to do next; `page` is the page of a job of the server that stays on, None: no server does."""
    further: Sequence[str] = (
        ". .venv/bin/activate",
        "zoo-runner describe examples/water/water.cwl",
        "zoo-runner run examples/water/water.cwl examples/water/inputs.yml --containers none -o demo-output/again",
        "ZOO_RUNNER_STATE=demo-output/state zoo-runner logs demo-vegetation",
    )
    text = f"Pictures, results and logs: [bold]{OUTPUT / 'index.html'}[/]\n\nWhat to do next:\n"
    text += "\n".join(f"  [bold]{line}[/]" for line in further)
    text += (
        "\n\nThe servers answer until you press Ctrl-C; in another terminal: [bold]. demo-output/env.sh[/]"
        f"\n\nA job in the browser: [bold]{page}[/]"
        if page
        else "\n  [bold]make demo KEEP=1[/]   leaves the servers on, with a page of a job for your browser"
    )
    screen.title(f"Done in {seconds:.0f} s")
    # no frame: it would break the commands in two, which are to be copied
    screen.say(text)


def _stop(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
