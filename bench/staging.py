"""How fast data moves, against rclone with its default flags: paired in one run, medians.

    python -m bench.staging                              # 4 GiB and 10,000 x 64 KiB, five rounds, a quarter of an hour
    python -m bench.staging --large-mib 512 --small-files 2000 --rounds 3 --only http-in

A run of all cases in these sizes writes its part of docs/bench.md. Each figure is the time of a whole process, start
to end, with the servers on this machine: nginx (HTTP) and versitygw (S3), which `make bench-servers` installs. The
memory is the peak resident set of our process.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from bench.options import whole
from bench.page import write_part
from bench.servers import ACCESS_KEY, SECRET_KEY, Server, find_program, serve_http, serve_s3

MIB = 1 << 20
LARGE_MIB, SMALL_FILES = 4096, 10_000
SMALL_BYTES = 64 << 10
ROOT = Path(__file__).parents[1]
NOTE = """*x rclone*: the time of `rclone copy` (default flags, the same files) divided by ours; above 1.0 we are
faster. Where we are not, docs/staging.md explains why."""


@dataclass(frozen=True)
class Case:
    """One row: two commands that move the same files, and the folder where the files end up."""

    name: str
    ours: list[str]
    rclone: list[str]
    target: Path
    files: int
    size_bytes: int


@dataclass
class Times:
    """What was measured, in seconds; the peak memory of ours in bytes."""

    ours: list[float] = field(default_factory=list)
    rclone: list[float] = field(default_factory=list)
    ours_cpu: list[float] = field(default_factory=list)
    rclone_cpu: list[float] = field(default_factory=list)
    peak_bytes: int = 0


@dataclass(frozen=True)
class Place:
    """The folders of a run and its servers."""

    data: Path
    buckets: Path
    work: Path
    http: Server
    s3: Server


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large-mib", type=whole(), default=LARGE_MIB)
    parser.add_argument("--small-files", type=whole(), default=SMALL_FILES)
    parser.add_argument("--rounds", type=whole(), default=5)
    parser.add_argument("--only", default="", help="Cases whose name contains this.")
    parser.add_argument("--folder", type=Path, help="Where the data lies: memory (/dev/shm) if there is room, or /tmp.")
    given = parser.parse_args()
    given.folder = _choose_folder(given)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=given.folder)))
        home.chmod(0o755)  # the web server's workers may be another user
        data, buckets, work = home / "data", home / "buckets", home / "work"
        for folder in (data / "large", data / "small", buckets / "source", buckets / "results", work):
            folder.mkdir(parents=True)
        http, s3 = stack.enter_context(serve_http(data, work)), stack.enter_context(serve_s3(buckets))
        _write_data(data, buckets / "source", http, given)
        place = Place(data, buckets, work, http, s3)
        cases = [case for case in _build_cases(place, given) if given.only in case.name]
        conditions = (
            f"{given.rounds} rounds, medians of whole processes; {os.cpu_count()} cores, data on"
            f" {given.folder}; HTTP by {http.name}, S3 by {s3.name}."
        )
        print(f"{conditions}\n", flush=True)
        table = _build_table((case, _measure(case, place, given.rounds)) for case in cases)
    if not given.only and (given.large_mib, given.small_files) == (LARGE_MIB, SMALL_FILES):
        today = datetime.now(timezone.utc).date()
        write_part("Moving data", f"Written by `python -m bench.staging` on {today}: {conditions}\n\n{table}\n\n{NOTE}")


def _choose_folder(given: argparse.Namespace) -> Path:
    """Where there is room: for the data, for where it goes, and for the parts of an upload beside the whole."""
    needed = 3.5 * max(given.large_mib * MIB, given.small_files * SMALL_BYTES)
    folders = [given.folder] if given.folder else [Path("/dev/shm"), Path(tempfile.gettempdir())]
    for folder in folders:
        if folder.is_dir() and shutil.disk_usage(folder).free >= needed:
            return Path(folder)
    names = " and ".join(map(str, folders))
    sys.exit(f"bench: {names} cannot hold {needed / 2**30:.1f} GiB: name a folder (make bench FOLDER=...)")


def _write_data(data: Path, bucket: Path, http: Server, given: argparse.Namespace) -> None:
    block = os.urandom(64 * MIB)
    with (data / "large" / "large.bin").open("wb") as file:
        for start in range(0, given.large_mib, 64):
            file.write(block[: min(64, given.large_mib - start) * MIB])
    for number in range(given.small_files):
        start = number % 1000 * SMALL_BYTES
        (data / "small" / f"{number:05}.bin").write_bytes(block[start : start + SMALL_BYTES])
    # the same bytes in the bucket, with entity tags as every service gives them: those of uploads in parts, which
    # neither side compares with the bytes
    for folder in ("large", "small"):
        shutil.copytree(data / folder, bucket / folder, copy_function=os.link)
        for path in (bucket / folder).iterdir():
            with suppress(OSError):  # a disk that keeps no tags
                os.setxattr(path, "user.etag", f'"{hashlib.sha256(path.name.encode()).hexdigest()[:32]}-2"'.encode())
        (data / f"{folder}.json").write_text(json.dumps(_build_item(data / folder, http.url)))


def _build_item(folder: Path, url: str) -> dict[str, object]:
    assets = {path.name: {"href": f"{url}/{folder.name}/{path.name}"} for path in folder.iterdir()}
    item: dict[str, object] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": folder.name,
        "geometry": None,
        "links": [],
    }
    return {**item, "properties": {"datetime": "2024-01-01T00:00:00Z"}, "assets": assets}


def _build_cases(place: Place, given: argparse.Namespace) -> Iterable[Case]:
    python, rclone = [sys.executable, "-m"], [find_program("rclone"), "copy", "--config="]
    bucket = f":s3,provider=Other,access_key_id={ACCESS_KEY},secret_access_key={SECRET_KEY},endpoint='{place.s3.url}':"
    into, out = place.work / "in", place.buckets / "results" / "run"
    sizes = {
        "large": (f"1 x {given.large_mib} MiB", 1, given.large_mib * MIB),
        "small": (f"{given.small_files} x 64 KiB", given.small_files, given.small_files * SMALL_BYTES),
    }
    stagein, stageout = [*python, "stagein", "--quiet"], [*python, "stageout", "--quiet"]
    for kind, (name, files, size_bytes) in sizes.items():
        yield Case(
            f"s3-in {name}",
            [*stagein, f"s3://source/{kind}/", "--output-folder", str(into)],
            [*rclone, f"{bucket}source/{kind}", str(into)],
            into, files, size_bytes,
        )  # fmt: skip
        yield Case(
            f"s3-out {name}",
            [*stageout, str(place.data / kind), "--destination", "s3://results/run"],
            [*rclone, str(place.data / kind), f"{bucket}results/run"],
            out, files, size_bytes,
        )  # fmt: skip
        yield Case(
            f"http-in {name}",
            [*stagein, f"{place.http.url}/{kind}.json", "--output-folder", str(into)],
            [*rclone, f":http,url='{place.http.url}/{kind}':", str(into)],
            into, files, size_bytes,
        )  # fmt: skip


def _measure(case: Case, place: Place, rounds: int) -> Times:
    times = Times()

    def ours() -> None:
        seconds, cpu_seconds, peak_bytes = _run(case, case.ours, place)
        times.ours.append(seconds)
        times.ours_cpu.append(cpu_seconds)
        times.peak_bytes = max(times.peak_bytes, peak_bytes)

    def theirs() -> None:
        seconds, cpu_seconds, _ = _run(case, case.rclone, place)
        times.rclone.append(seconds)
        times.rclone_cpu.append(cpu_seconds)

    turns: tuple[Callable[[], None], ...] = (ours, theirs)
    for number in range(rounds):
        for turn in turns if number % 2 else reversed(turns):
            turn()
    return times


def _run(case: Case, command: list[str], place: Place) -> tuple[float, float, int]:
    """Seconds, processor seconds and peak memory of one process; what it was to bring is counted, and removed."""
    os.sync()  # what others wrote shall not be paid for by this one
    start = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, env=_build_environment(place), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    sizes = [path.stat().st_size for path in case.target.rglob("*.bin")]
    if process.returncode or (len(sizes), sum(sizes)) != (case.files, case.size_bytes):
        raise RuntimeError(f"{case.name}: {command} ended with {process.returncode}, {len(sizes)} files: {said}")
    shutil.rmtree(case.target)
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def _build_environment(place: Place) -> Mapping[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(place.work),
        "AWS_ENDPOINT_URL": place.s3.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }


def _build_table(rows: Iterable[tuple[Case, Times]]) -> str:
    """The table; each row is printed as soon as it is there."""
    lines = [
        "| case | ours, s | rclone, s | x rclone | ours, MiB/s | processor s, ours : rclone | our peak memory, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for case, times in rows:
        ours, rclone = statistics.median(times.ours), statistics.median(times.rclone)
        rate = case.size_bytes / MIB / ours
        lines.append(
            f"| {case.name} | {ours:.2f} | {rclone:.2f} | {rclone / ours:.2f} | {rate:.0f} "
            f"| {statistics.median(times.ours_cpu):.2f} : {statistics.median(times.rclone_cpu):.2f} "
            f"| {times.peak_bytes / MIB:.0f} |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    main()
