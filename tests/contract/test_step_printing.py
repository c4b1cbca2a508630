"""What a step prints in its container, in every shell: all of it in parts on the volume, the first of it in its log."""

import os
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from zoo_runner.engines.kubernetes.job_pod.printed import LogRest, Printed, PrintedReader
from zoo_runner.engines.kubernetes.job_pod.printing import (
    END,
    ENDED,
    NO_MORE_HERE,
    ONLY_HERE,
    PRINTED_MOUNT,
    SHOWN_BYTES,
)
from zoo_runner.engines.kubernetes.job_pod.used import build_reporting_args, read_exit

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
MANY = 1_600_000
"""Lines with more than five logs of kubelet's default size, 10 MiB, have."""
PRINT_MANY = f'awk \'BEGIN {{for (i = 0; i < {MANY}; i++) print "tile " i " of the mosaic is written"}}\''


@contextmanager
def running(
    folder: Path, script: str, shell: str = "dash", path: str | None = None, most_bytes: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a script as the container of a step does; what it leaves behind is ended as with a container."""
    words = [shutil.which(shell) or shell, *(["sh"] if shell == "busybox" else []), "-c"]
    args = [word.replace(PRINTED_MOUNT, str(folder)) for word in build_reporting_args([script], keeps_printed=True)]
    environ = {**os.environ, **({"PATH": path} if path else {})}  # noqa: TID251 a program's own

    def prepare() -> None:
        # whoever starts the tests in the background has it ignored, which shells cannot undo
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if most_bytes:
            # so that it is an error, as of a disk, and no signal
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    # the log of a pod is not on the volume
    with (folder.parent / "log").open("wb") as log:
        keeper = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)
    assert keeper.stdin
    process = subprocess.Popen(
        [*words, *args],
        stdin=subprocess.DEVNULL,
        stdout=keeper.stdin,
        stderr=keeper.stdin,
        start_new_session=True,
        env=environ,
        preexec_fn=prepare,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        keeper.stdin.close()
        keeper.wait()


def run(folder: Path, script: str, shell: str = "dash", path: str | None = None) -> int:
    with running(folder, script, shell, path) as process:
        return process.wait()


def read_parts(folder: Path) -> bytes:
    numbers = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
    return b"".join((folder / str(number)).read_bytes() for number in numbers)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "printed"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("script", "code", "printed"),
    [
        ("echo out; echo err >&2; printf end; exit 7", 7, b"out\nerr\nend"),
        ("exit 3", 3, b""),
        # as a file it would be begun anew by that
        ("echo one; echo two > /dev/stderr; echo three", 0, b"one\ntwo\nthree\n"),
        ("printf 'a\\0b\\n'", 0, b"a\0b\n"),
        ("for i in 1 2 3; do sh -c 'kill -INT $$' 2> /dev/null; echo $?; done", 0, b"130\n" * 3),
    ],
    ids=["both", "nothing", "dev-stderr", "binary", "interrupt"],
)
def test_all_that_a_tool_prints_is_kept_in_its_order_with_its_exit_code(
    folder: Path, shell: str, script: str, code: int, printed: bytes
) -> None:
    assert run(folder, script, shell) == code
    assert read_parts(folder) == printed
    assert (folder.parent / "log").read_bytes() == printed
    assert (folder / END).exists()
    left = read_exit((folder / ENDED).read_text())
    assert left
    assert left[0] == code


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tool_that_is_killed_has_its_exit_code_and_its_last_lines(folder: Path, shell: str) -> None:
    assert run(folder, "echo last; kill -9 $$", shell) == 137
    assert read_parts(folder).startswith(b"last\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_process_that_a_tool_leaves_behind_holds_up_nothing(folder: Path, shell: str) -> None:
    assert run(folder, "echo one; sleep 600 & exit 4", shell) == 4
    assert read_parts(folder) == b"one\n"
    assert not (folder / END).exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_writes_once_a_container_has_left_its_end(folder: Path, shell: str) -> None:
    late = folder.parent / "late"
    script = f"(trap '' HUP; while :; do echo more >> {late}; done) > /dev/null 2>&1 & until [ -s {late} ]; do :; done"
    words = [shell, *(["sh"] if shell == "busybox" else []), "-c"]
    args = [word.replace(PRINTED_MOUNT, str(folder)) for word in build_reporting_args([script], keeps_printed=True)]
    # the shell is the first process of a container; it waits here, where it would exit
    args[0] = args[0].replace("exit $code\n", "read -r _; exit $code\n")
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", *words, *args], stdin=subprocess.PIPE
    ) as container:
        while not (folder / ENDED).exists() or not read_exit((folder / ENDED).read_text()):
            threading.Event().wait(0.01)
        size = late.stat().st_size
        threading.Event().wait(0.2)
        assert late.stat().st_size == size > 0
        container.communicate(b"\n")
    assert container.returncode == 0


def test_where_the_volume_has_no_folder_a_tool_prints_as_ever(folder: Path) -> None:
    folder.rmdir()
    assert run(folder, "echo out; exit 2") == 2
    assert (folder.parent / "log").read_bytes() == b"out\n"


def test_an_image_without_the_programs_prints_into_its_log_and_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    assert run(folder, "echo out; exit 2", path=str(tmp_path / "bin")) == 2
    assert (folder.parent / "log").read_bytes() == f"{ONLY_HERE}\nout\n".encode()
    assert [path.name for path in folder.iterdir()] == [ENDED]


def collect(folder: Path, script: str, *, most_bytes: int | None = None) -> tuple[list[str], int]:
    """The lines of a step that runs, read while it runs and from its log, and the most bytes that lay there unread."""
    reader, lines, most = PrintedReader(folder), list[str](), 0
    printed = reader.open("step", lines.extend)
    assert printed
    with running(printed.folder, script, most_bytes=most_bytes) as process:
        while process.poll() is None:
            most = max(most, sum(measure(path) for path in printed.folder.iterdir()))
            threading.Event().wait(0.01)
    is_whole = printed.finish()
    rest = LogRest(printed, lines.extend)
    if not is_whole:
        rest.take((printed.folder.parent / "log").read_text().splitlines())
    rest.end()
    printed.end()
    reader.close(printed)
    assert not printed.folder.exists()
    return lines, most


def measure(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_more_than_kubelet_keeps_is_read_once_in_order_and_within_bounds(tmp_path: Path) -> None:
    lines, most = collect(tmp_path / "printed", PRINT_MANY)
    assert lines == [f"tile {number} of the mosaic is written" for number in range(MANY)]
    # twice what may be unread, and a part
    assert most < 3 * (32 << 20)
    log = (tmp_path / "printed" / "log").read_text()
    assert len(log) < SHOWN_BYTES + 2 * 4096
    assert log.splitlines()[-1].endswith(NO_MORE_HERE)


def test_what_a_full_volume_does_not_take_is_in_the_log_of_the_pod(tmp_path: Path) -> None:
    # the limit of a file stands for the disk
    lines, _ = collect(tmp_path / "printed", "seq 1 2000; sleep 1; seq 2001 200000", most_bytes=10_000)
    assert lines == [str(number) for number in range(1, 200_001)]


def test_of_a_tool_that_fills_the_volume_later_no_more_than_a_block_is_lost(tmp_path: Path) -> None:
    lines, _ = collect(tmp_path / "printed", "seq -w 1 1000000", most_bytes=3 << 20)
    whole = [line for line in lines if len(line) == 7]
    assert whole == sorted(set(whole))
    assert lines[-1] == "1000000"
    assert len(lines) > 1_000_000 - (32 << 10) / 8 - 2


def write(printed: Printed, name: str, content: bytes) -> None:
    (printed.folder / name).write_bytes(content)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[PrintedReader, Printed, list[str]]]:
    lines = list[str]()
    reader = PrintedReader(tmp_path / "printed")
    printed = reader.open("step", lines.extend)
    assert printed
    yield reader, printed, lines
    reader.close(printed)


def test_only_regular_files_of_a_step_are_read(opened: tuple[PrintedReader, Printed, list[str]]) -> None:
    _, printed, lines = opened
    secret = printed.folder.parent / "secret"
    secret.write_text("secret\n")
    (printed.folder / "0").symlink_to(secret)
    assert printed.finish() is False
    (printed.folder / "0").unlink()
    os.mkfifo(printed.folder / "0")
    assert printed.finish() is False
    assert lines == []


def test_a_part_that_never_ends_is_read_to_its_size(opened: tuple[PrintedReader, Printed, list[str]]) -> None:
    _, printed, lines = opened
    with (printed.folder / "0").open("wb") as file:
        file.truncate(1 << 40)
    assert printed.finish() is False
    assert sum(map(len, lines)) <= 32 << 20


def test_lines_across_parts_are_whole(opened: tuple[PrintedReader, Printed, list[str]]) -> None:
    _, printed, lines = opened
    write(printed, "0", b"one\ntw")
    write(printed, "1", b"o\nthree")
    write(printed, "2", b"")
    write(printed, END, b"")
    assert printed.finish() is True
    printed.end()
    assert lines == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("files", "reported"),
    [
        ({"0": "one\n", END: "", ENDED: "exit 0 used: cpu_us=7\n"}, ["used: cpu_us=7"]),
        # Kubernetes knows why
        ({"0": "one\n", END: "", ENDED: "exit 1 \n"}, []),
        # a process that the tool has left behind may print more
        ({"0": "one\n", ENDED: "exit 0 \n"}, []),
        ({"0": "one\n", END: "", ENDED: "exit 0"}, []),
        ({"0": "one\n", END: "", ENDED: "exit 0 " + "x" * 2000 + "\n"}, []),
    ],
    ids=["success", "failure", "left-behind", "half", "too-long"],
)
def test_a_step_that_has_succeeded_is_reported_once_with_what_it_used(
    tmp_path: Path, files: dict[str, str], reported: list[str]
) -> None:
    found = list[str]()
    printed = Printed(tmp_path, lambda lines: None, found.append)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    printed.look_for_end()
    printed.look_for_end()
    assert found == reported


def test_an_end_that_is_no_file_of_the_step_is_not_read(tmp_path: Path) -> None:
    found = list[str]()
    (tmp_path / END).touch()
    (tmp_path / "foreign").write_text("exit 0 used\n")
    (tmp_path / ENDED).symlink_to("foreign")
    Printed(tmp_path, lambda lines: None, found.append).look_for_end()
    (tmp_path / ENDED).unlink()
    os.mkfifo(tmp_path / ENDED)
    Printed(tmp_path, lambda lines: None, found.append).look_for_end()
    assert found == []


def test_the_end_of_a_step_is_seen_while_it_is_read(tmp_path: Path) -> None:
    reader, found, seen = PrintedReader(tmp_path / "printed"), list[str](), threading.Event()

    def succeed(used: str) -> None:
        found.append(used)
        seen.set()

    printed = reader.open("step", lambda lines: None, succeed)
    assert printed
    assert run(printed.folder, "echo one") == 0
    assert seen.wait(10)
    assert len(found) == 1
    reader.close(printed)


def test_what_an_earlier_pod_has_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "printed" / "left").mkdir(parents=True)
    reader = PrintedReader(tmp_path / "printed")
    printed = reader.open("step", lambda lines: None)
    assert printed
    assert [path.name for path in (tmp_path / "printed").iterdir()] == ["step"]
    reader.close(printed)
