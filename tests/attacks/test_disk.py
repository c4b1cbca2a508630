"""Steps that fill the disk: in many files, in one, in files that nobody sees; each ends, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.hostile import CANARY, Document, Host, output, tool
from tests.ordinary import as_ordinary_user
from tests.site import Site, Story
from tests.values import ROOT
from zoo_runner.engines.cwl_process.disk import FASTEST, LATEST_SECONDS, SOONEST_SECONDS, DiskWatch, measure

LIMIT = 4 << 20
WAITING = "sleep 600"
TOGETHER = ("job.disk-limit",)
# a file at the limit may also be seen before its tool has ended
ALONE = ("step.file-limit", *TOGETHER)
PIECE = "dd if=/dev/zero bs=1M count=1"
UNNAMED = f"exec 3> f; rm f; {PIECE} >&3; exec 4> f; rm f; {PIECE} >&4; exec 5> f; rm f; {PIECE} >&5"
FILLING = {
    "many files": (f"for i in `seq 9999`; do {PIECE} of=x$i; done", TOGETHER),
    "many empty files": (f"seq 1100 | xargs touch; {WAITING}", TOGETHER),
    "many folders": (f"seq 1100 | xargs mkdir; {WAITING}", TOGETHER),
    "one file": ("cat /dev/zero > x", ALONE),
    "one file that grows slowly": (f"while {PIECE} >> x; do :; done; echo File too large >&2; false", ALONE),
    "a file with holes": ("truncate -s 1P x", ALONE),
    "a file of reserved blocks": ("fallocate -l 1G x", ALONE),
    "what it prints": ("cat /dev/zero", ALONE),
    "its temporary folder": (f"cd $(runtime.tmpdir); for i in `seq 9999`; do {PIECE} of=x$i; done", TOGETHER),
    "files without a name": (f"{UNNAMED}; {PIECE} of=x; {WAITING}", TOGETHER),
    "a folder that nobody may read": (
        f"mkdir d; for i in 1 2 3 4; do {PIECE} of=d/$i; done; chmod 0 d; {WAITING}",
        TOGETHER,
    ),
    "a folder that nobody can name": (
        f"for i in `seq 600`; do mkdir dddd; cd -P dddd; done; cat /dev/zero > x; {WAITING}",
        TOGETHER,
    ),
    "copies of inputs": ("for i in `seq 9999`; do cp $(inputs.given.path) copy$i; done", TOGETHER),
    "several processes": (f"for i in 1 2 3 4; do {PIECE} of=x$i & done; wait; {WAITING}", TOGETHER),
}


def run(site: Site, document: Document, given: bytes = b"x" * (1 << 20), limit: int = LIMIT) -> Story:
    """Run a package isolated, in a sandbox, with a limit for the disk."""
    package, inputs = site.folder / "attack.cwl", site.folder / "inputs.json"
    (site.folder / "given.bin").write_bytes(given)
    package.write_text(json.dumps({**document, "inputs": {"given": "File"}}))
    inputs.write_text(json.dumps({"given": {"class": "File", "path": str(site.folder / "given.bin")}}))
    places = {"ZOO_RUNNER_CONTAINERS": "sandbox", "ZOO_RUNNER_ISOLATION": "isolated", "PATH": os.defpath}
    limited = site.having(**places, ZOO_RUNNER_SCRATCH_MAX_BYTES=str(limit))
    return limited.run(limited.accept(package, inputs))


@pytest.mark.parametrize("name", FILLING)
@pytest.mark.usefixtures("sandbox")
def test_a_step_that_fills_the_disk_ends_and_leaves_nothing(name: str, site: Site) -> None:
    script, codes = FILLING[name]
    document = {**tool(script, {"o": {"type": "stdout"}}), "stdout": "printed"}
    story = run(site, document)
    assert story.outcome.diagnosis and story.outcome.diagnosis.code in codes, story.log
    assert list((site.folder / "scratch").iterdir()) == []


@pytest.mark.usefixtures("sandbox")
def test_steps_that_fill_the_disk_together_end(site: Site) -> None:
    step = {**tool(f"{PIECE} of=o.txt; sleep $0", output("File", "o.txt")), "cwlVersion": "v1.2"}
    step["inputs"] = {"seconds": {"type": "int", "inputBinding": {"position": 1}}}
    numbers = {"type": "int[]", "default": [0, 0, 0, 600]}
    document = {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "id": "attack",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"numbers": numbers},
        "outputs": {"o": {"type": "File[]", "outputSource": "many/o"}},
        "steps": {"many": {"run": step, "scatter": "seconds", "in": {"seconds": "numbers"}, "out": ["o"]}},
    }
    (site.folder / "workflow.cwl").write_text(json.dumps(document))
    places = {"ZOO_RUNNER_CONTAINERS": "sandbox", "ZOO_RUNNER_ISOLATION": "isolated", "PATH": os.defpath}
    limited = site.having(**places, ZOO_RUNNER_SCRATCH_MAX_BYTES=str(LIMIT))
    story = limited.run(limited.accept(site.folder / "workflow.cwl"))
    assert story.outcome.diagnosis and story.outcome.diagnosis.code in TOGETHER, story.log


@pytest.mark.usefixtures("sandbox")
def test_a_step_that_writes_less_than_the_limit_notices_nothing(site: Site) -> None:
    script = f"{PIECE} of=x; for i in 1 2 3 4 5 6 7; do ln x $i; done; {PIECE} of=x conv=notrunc; sleep 1; echo done"
    story = run(site, {**tool(script, {"o": {"type": "stdout"}}), "stdout": "printed"})
    assert story.outcome.diagnosis is None, story.log


LEFT = {
    "folders that are deeper than Python goes": "import os\nfor _ in range(1500): os.mkdir('dddd'); os.chdir('dddd')",
    "folders that nobody may change": "import os\nos.makedirs('a/b/c')\nfor n in ('a/b/c', 'a/b', 'a'): os.chmod(n, 0)",
    "a link beside what cannot be removed": "import os\nos.mkdir('a'); os.symlink(SECRET, 'a/l'); os.chmod('a', 0o500)",
    "another name of a file": "import os\nos.mkdir('a'); os.link(SECRET, 'a/l'); os.chmod('a', 0o500)",
}


@pytest.mark.parametrize("name", LEFT)
def test_what_a_step_leaves_is_removed_and_nothing_else_is_changed(name: str, tmp_path: Path, host: Host) -> None:
    host.secret.chmod(0o444)
    code = LEFT[name].replace("SECRET", repr(str(host.secret)))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    words = [*as_ordinary_user(tmp_path), sys.executable, "-c"]
    subprocess.run([*words, code], check=True, cwd=scratch)
    removing = (
        f"import sys; sys.path.append({str(ROOT)!r}); from zoo_runner.removal import *; remove_tree({str(scratch)!r})"
    )
    subprocess.run([*words, removing], check=True)
    assert not scratch.exists()
    assert host.secret.stat().st_mode & 0o777 == 0o444
    assert host.secret.read_text() == CANARY


def test_what_is_in_a_folder_is_measured_once_and_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "job" / "below").mkdir(parents=True)
    (tmp_path / "other").write_bytes(b"x" * (1 << 20))
    (tmp_path / "job" / "file").write_bytes(b"x" * (1 << 16))
    (tmp_path / "job" / "below" / "name").hardlink_to(tmp_path / "job" / "file")
    (tmp_path / "job" / "link").symlink_to(tmp_path)
    with (tmp_path / "job" / "holes").open("wb") as file:
        file.truncate(1 << 40)
    assert 1 << 16 <= measure(str(tmp_path / "job"), [], 1 << 60) < 1 << 17


def test_a_look_is_due_when_the_limit_can_be_reached_and_no_sooner(tmp_path: Path) -> None:
    assert DiskWatch(str(tmp_path), 1 << 50).seconds == LATEST_SECONDS
    assert DiskWatch(str(tmp_path), 1).seconds == SOONEST_SECONDS
    watch = DiskWatch(str(tmp_path), 8 * FASTEST)
    assert watch.seconds == 8
    assert watch.look([]) is None
    assert 7 < watch.seconds <= 8
