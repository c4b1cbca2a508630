"""Cases of what users of such runners reported: what they ran, and the right answer of each command.

The files of a case are in tests/data/cases; the addresses of `127.0.0.1:8765` in them become those of a web server.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.scenes import Scene, cover_places
from tests.servers import Fault
from tests.values import ROOT

FOLDER = ROOT / "tests" / "data" / "cases"
GITHUB = "https://github.com/"
_OFFERED = "http://127.0.0.1:8765"
_MOST_LINES = 8
_LOGIN = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please log in</body></html>"

_S3 = {
    "STAGEIN_AWS_SERVICEURL": "{s3}",
    "STAGEIN_AWS_ACCESS_KEY_ID": "test-access-key",
    "STAGEIN_AWS_SECRET_ACCESS_KEY": "test-secret-key",
}


@dataclass(frozen=True)
class Command:
    """One command of a case, run in its folder; the right answer is success, or a diagnosis with this code.

    In `words` and `environ`, `{web}` is the web server. `facts` stand in what is printed, or in the file of the results
    that `shows` names; of a folder, the names of its files are shown.
    """

    words: str
    facts: tuple[str, ...] = ()
    code: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    shows: str = ""
    before: Callable[[Scene, Path], object] = lambda scene, folder: None
    verb: str = "run"


@dataclass(frozen=True)
class Case:
    """A folder with what was reported, the report, and the commands that show the answer."""

    name: str
    what: str
    report: str
    commands: tuple[Command, ...]


def copy_case(case: Case, scene: Scene) -> Path:
    """Copy the files of a case to where its commands run, and offer them on the web server too."""
    folder = scene.site.folder / case.name
    shutil.copytree(FOLDER / case.name, folder)
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        content = path.read_bytes().replace(_OFFERED.encode(), scene.web.url.encode())
        scene.web.put(str(path.relative_to(FOLDER)), content)
        if path.is_relative_to(FOLDER / case.name):
            (scene.site.folder / path.relative_to(FOLDER)).write_bytes(content)
    scene.web.fail_always("protected/LC09_B2.TIF", Fault(302, {"Location": "/login"}))
    scene.web.fail_always("login", Fault(200, {"Content-Type": "text/html; charset=utf-8"}, _LOGIN))
    return folder


def answer(command: Command, scene: Scene, folder: Path) -> tuple[int, str]:
    """Run a command; return its exit code and what it answers, places covered."""
    command.before(scene, folder)
    shutil.rmtree(folder / "out", ignore_errors=True)
    site = scene.site.having(**{name: _fill(value, scene, folder) for name, value in command.environ.items()})
    words = [_fill(word, scene, folder) for word in command.words.split("|")]
    more = ["--quiet", "-o", "out"] if command.verb == "run" else []
    done = site.command(command.verb, *words, *more, cwd=folder)
    shown = [_tidy(done.stderr + done.stdout), *([_show(folder / command.shows, folder)] if command.shows else [])]
    return done.returncode, cover_places("\n".join(shown), scene).rstrip()


def _fill(text: str, scene: Scene, folder: Path) -> str:
    places = {"{web}": scene.web.url, "{s3}": scene.s3.options.endpoint or "", "{folder}": str(folder)}
    for name, place in places.items():
        text = text.replace(name, place)
    return text


def _show(path: Path, folder: Path) -> str:
    """The content of a file, or the names of the files in a folder."""
    if path.is_file():
        return path.read_text()
    return "\n".join(sorted(str(each.relative_to(folder)) for each in path.rglob("*") if each.is_file()))


def _tidy(said: str) -> str:
    """What a command printed, without the lines about logs, and the beginning of what is long."""
    lines = [line for line in said.splitlines() if not re.match(r"(?:step logs|published logs|  log:) ", line)]
    return "\n".join([*lines[:_MOST_LINES], *(["…"] if len(lines) > _MOST_LINES else [])])


def write_line(command: Command) -> str:
    """Write a command as one types it."""
    words = [f"'{word}'" if re.search(r"[ #?%={]", word) else word for word in command.words.split("|")]
    settings = [f"{name}={value}" for name, value in command.environ.items() if name not in _S3]
    more = ["-o out"] if command.verb == "run" else []
    line = " ".join([*settings, "zoo-runner", command.verb, *words, *more])
    return line.replace("{web}", "http://data.example")


def _name_files(scene: Scene, folder: Path) -> None:
    for name in ("x#1.txt", "q?m.txt", "50%20off.txt"):
        (folder / name).write_text(f"content of {name}\n")
        (folder / f"{name}.yml").write_text(f'f: {{class: File, path: "{name}"}}\n')


def _move_results(scene: Scene, folder: Path) -> None:
    (folder / "out").rename(folder / "moved")


def _fill_bucket(scene: Scene, folder: Path) -> None:
    for key in ("X.SAFE/manifest.safe", "X.SAFE/measurement/iw-vv.tiff", "X.SAFEST"):
        scene.s3.put("scenes", key, b"x")


def _fill_zarr(scene: Scene, folder: Path) -> None:
    for path in sorted(path for path in (folder / "zarr").rglob("*") if path.is_file()):
        scene.s3.put("scenes", f"zarr/{path.relative_to(folder / 'zarr')}", path.read_bytes())


def _own_results(scene: Scene, folder: Path) -> None:
    shutil.rmtree(folder / "first", ignore_errors=True)
    (folder / "out").rename(folder / "first")


CASES = (
    Case(
        "absolute-id",
        "The id of a tool is a URI of the machine that built it.",
        "",
        (Command("tool.cwl", ('ids: "a", "b", ""',)), Command("tool.cwl", ('"id": "tool.cwl"',), verb="describe")),
    ),
    Case(
        "run-graph-without-fragment",
        "A step runs a document that has a graph, without naming a process.",
        f"{GITHUB}unity-sds/unity-sps-workflows",
        (Command("wf.cwl|j.yml", ("hi",), shows="out/o/o.txt"),),
    ),
    Case(
        "union-file-string",
        "A text is given for an input that is a file or a text.",
        f"{GITHUB}common-workflow-language/cwltool/issues/2251",
        (Command("u.cwl|u.yml", ("POLYGON((0 0,1 1,1 0,0 0))",), shows="out/o/o.txt"),),
    ),
    Case(
        "default-of-wrong-type",
        "The default of a text is a number.",
        "",
        (
            Command("wf.cwl", ("default", "expected string", "1.1"), "package.default", verb="validate"),
            Command("wf.cwl", ("'ver'", "expected string"), "package.default"),
        ),
    ),
    Case(
        "default-remote",
        "The defaults of inputs are addresses, relative paths and literals.",
        f"{GITHUB}common-workflow-language/cwltool/issues/1101",
        (
            Command("d.cwl", ("manifest.safe", "hello"), shows="out/o/o.txt"),
            Command("e.cwl", ("/etc/hostname",), "source.refused", {"STAGEIN_ALLOWED_ROOTS": "{folder}"}),
            Command("d.cwl", ("127.0.0.1",), "source.refused", {"STAGEIN_ALLOW_PRIVATE": "false"}),
        ),
    ),
    Case(
        "login-page-as-asset",
        "The host of an asset answers with a login page.",
        f"{GITHUB}microsoft/PlanetaryComputer/issues/203",
        (
            Command(
                "size.cwl|-i|d={web}/login-page-as-asset/item.json",
                ("LC09_B2.TIF", "login page", "STAGEIN_HOSTS_FILE"),
                "source.forbidden",
            ),
        ),
    ),
    Case(
        "asset-is-a-folder",
        "An asset is a folder.",
        f"{GITHUB}radiantearth/stac-browser/issues/758",
        (
            Command("ls.cwl|-i|d=zarr/item.json", ("cube.zarr/B02/0.0",), shows="out/o/o.txt"),
            Command(
                "ls.cwl|-i|d=s3://scenes/zarr/item.json",
                ("cube.zarr/B02/0.0",),
                environ=_S3,
                shows="out/o/o.txt",
                before=_fill_zarr,
            ),
            Command("ls.cwl|-i|d={web}/asset-is-a-folder/zarr/item.json", ("cube.zarr/.zmetadata",), "source.content"),
        ),
    ),
    Case(
        "asset-paths-flattened",
        "The files of a product lie in folders below its item.",
        f"{GITHUB}microsoft/planetary-computer-tasks/issues/233",
        (
            Command(
                "ls.cwl|-i|d=safe/S1A_IW_GRDH.SAFE/item.json",
                ("measurement/iw-vv.tiff", "annotation/calibration/calibration-iw-vv.xml"),
                shows="out/o/o.txt",
            ),
            Command("z.cwl"),
            Command(
                "ls.cwl|-i|d=first/collection.json",
                ("c.zarr/B02/0.0", "c.zarr/B03/.zarray"),
                shows="out/o/o.txt",
                before=_own_results,
            ),
        ),
    ),
    Case(
        "special-chars-in-relative-input",
        "The names of files have #, ? and %20.",
        f"{GITHUB}common-workflow-language/cwltool/issues/1083",
        (
            Command("cat.cwl|x#1.txt.yml", ("content of x#1.txt",), shows="out/o/o.txt", before=_name_files),
            Command("cat.cwl|q?m.txt.yml", ("content of q?m.txt",), shows="out/o/o.txt"),
            Command("cat.cwl|50%20off.txt.yml", ("content of 50%20off.txt",), shows="out/o/o.txt"),
        ),
    ),
    Case(
        "output-links-to-input",
        "A tool leaves a link to its input as its output.",
        f"{GITHUB}common-workflow-language/cwltool/issues/1364",
        (
            Command("file_in.cwl|-i|dem=dem.tif", ("latest.tif",)),
            Command("dir_in.cwl|-i|d=folder", ("out/result/dem.tif",), shows="out/result"),
            Command("two.cwl|-i|dem=dem.tif", ("dem",), shows="out/o/o.txt"),
        ),
    ),
    Case(
        "initialworkdir-and-glob-dot",
        "The output is the whole working folder, in which an input lies.",
        f"{GITHUB}common-workflow-language/cwltool/issues/1364",
        (
            Command("rof.cwl|-i|f=f.txt", ("out.txt", "f.txt"), shows="out/all"),
            Command("ro.cwl|-i|src=in dir", ("out.txt", "in dir/sub/b.txt"), shows="out/all"),
        ),
    ),
    Case(
        "output-name-not-utf8",
        "A tool names a file in another encoding than UTF-8.",
        f"{GITHUB}SwissDataScienceCenter/renku-python/issues/1938",
        (Command("bar.cwl|-i|s=bar.py|-i|m=badname", ("'bar'", r"o2\xff\xe9.txt", "UTF-8"), "step.output-invalid"),),
    ),
    Case(
        "output-stac-without-items",
        "A package writes STAC that has no items, assets in a collection, or a catalog in a folder.",
        f"{GITHUB}ZOO-Project/ZOO-Project/issues/107",
        (
            Command("wf.cwl|-i|script=a_noitems.py", ("result",)),
            Command("wf.cwl|-i|script=b_colassets.py", ("vec.parquet",), shows="out/result"),
            Command("wf.cwl|-i|script=c_nested.py", ("output_collection",)),
        ),
    ),
    Case(
        "results-folder-moved",
        "The folder of the results is moved, and is the input of another job.",
        f"{GITHUB}stac-utils/pystac/issues/657",
        (
            Command("w.cwl"),
            Command("ls.cwl|-i|d=moved/collection.json", ("b.tif",), shows="out/o/o.txt", before=_move_results),
        ),
    ),
    Case(
        "one-dead-asset",
        "A thumbnail is gone, and other assets lie where nobody has credentials.",
        f"{GITHUB}Element84/earth-search/issues/57",
        (
            Command("ls.cwl|-i|d={web}/one-dead-asset/es/item.json", ("S2B_21JXN",), "source.not-found", _S3),
            Command(
                "ls.cwl|-i|d={web}/one-dead-asset/es/item.json",
                ("B08.tif",),
                environ={"STAGEIN_ASSET_KEYS": "red,thumbnail"},
                shows="out/o/o.txt",
            ),
        ),
    ),
    Case(
        "s3-folder-without-slash",
        "A folder in object storage is given without the slash at its end.",
        "",
        (
            Command(
                "ls.cwl|-i|d=s3://scenes/X.SAFE",
                ("measurement/iw-vv.tiff",),
                environ=_S3,
                shows="out/o/o.txt",
                before=_fill_bucket,
            ),
        ),
    ),
    Case(
        "request-with-described-values",
        "A request has descriptive members beside `value`.",
        "",
        (Command("wf.cwl|desc.json", ("https://a/1",), shows="out/dump/out.json"),),
    ),
)
