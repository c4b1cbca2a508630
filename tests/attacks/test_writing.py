"""A package writes files of the machine, or of the job's own record: through names, folders and targets."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.hostile import Document, Host, expression, output, run_here, show_file, tool, workflow
from tests.attacks.test_reading import stage, write_outputs
from tests.site import Site

UP = "../" * 24


def literal(basename: str, **more: object) -> Document:
    return {"class": "File", "basename": basename, "contents": "forged", **more}


def folder(*listing: Document, basename: str = "o") -> Document:
    return {"class": "Directory", "basename": basename, "listing": list(listing)}


def target(host: Host) -> str:
    return f"{UP}{str(host.secret)[1:]}"


def computed(value: Document) -> Document:
    tool_of_expression = {k: v for k, v in expression(json.dumps(value)).items() if k != "cwlVersion"}
    first = {"run": tool_of_expression, "in": {}, "out": ["o"]}
    return workflow({"first": first, "last": {"run": show_file(), "in": {"x": "first/o"}, "out": ["o"]}})


ATTACKS: dict[str, Callable[[Host], Document]] = {
    "cwl.output.json: a name with steps up": lambda h: tool(
        "echo forged > a; " + write_outputs({"class": "File", "path": "a", "basename": target(h)}), {"o": "File"}
    ),
    "cwl.output.json: an absolute name": lambda h: tool(
        "echo forged > a; " + write_outputs({"class": "File", "path": "a", "basename": str(h.secret)}), {"o": "File"}
    ),
    "cwl.output.json: a name with folders": lambda h: tool(
        "echo forged > a; " + write_outputs({"class": "File", "path": "a", "basename": f"x/{target(h)}"}),
        {"o": "File"},
    ),
    "cwl.output.json: the folder above as name": lambda h: tool(
        "mkdir a; echo forged > a/secret.txt; " + write_outputs({"class": "Directory", "path": "a", "basename": ".."}),
        {"o": "Directory"},
    ),
    "cwl.output.json: names in a listing": lambda h: tool(
        "echo forged > a; " + write_outputs(folder({"class": "File", "path": "a", "basename": target(h)})),
        {"o": "Directory"},
    ),
    "cwl.output.json: names of secondary files": lambda h: tool(
        "echo forged > a; "
        + write_outputs(
            {
                "class": "File",
                "path": "a",
                "secondaryFiles": [{"class": "File", "path": "a", "basename": target(h)}],
            }
        ),
        {"o": "File"},
    ),
    "ExpressionTool: a name with steps up": lambda h: expression(json.dumps(literal(target(h)))),
    "ExpressionTool: an absolute name": lambda h: expression(json.dumps(literal(str(h.secret)))),
    "ExpressionTool: a folder to write to": lambda h: expression(
        json.dumps(literal("secret.txt", dirname=str(h.folder)))
    ),
    "ExpressionTool: names in a listing": lambda h: expression(json.dumps(folder(literal(target(h)))), "Directory"),
    "ExpressionTool: a folder named as the one above": lambda h: expression(
        json.dumps(folder(literal("secret.txt"), basename=f"{UP}{str(h.folder)[1:]}")), "Directory"
    ),
    "a computed name for a step": lambda h: computed(literal(target(h))),
    "a computed folder for a step": lambda h: computed(literal("secret.txt", dirname=str(h.folder))),
    "InitialWorkDir: a folder to write to": lambda h: stage(literal("secret.txt", dirname=str(h.folder))),
    "InitialWorkDir: names in a listing": lambda h: stage(folder(literal(target(h)))),
    "InitialWorkDir: deep names in a listing": lambda h: stage(folder(folder(literal(target(h)), basename="p"))),
    "InitialWorkDir: folders in a listing": lambda h: stage(folder(literal("secret.txt", dirname=str(h.folder)))),
    "InitialWorkDir: names of secondary files": lambda h: stage(literal("x", secondaryFiles=[literal(target(h))])),
    "InitialWorkDir: an entry name with steps up": lambda h: stage({"entryname": target(h), "entry": "forged"}),
    "InitialWorkDir: an absolute entry name": lambda h: stage({"entryname": str(h.secret), "entry": "forged"}),
    "InitialWorkDir: a computed entry name": lambda h: stage(
        {"entryname": f"$('x/../{target(h)}')", "entry": "forged"}
    ),
    "InitialWorkDir: entry name below a folder": lambda h: stage({"entryname": f"a/{target(h)}", "entry": "forged"}),
    "standard output": lambda h: tool("echo forged", output("File", "x"), stdout=target(h)),
    "standard output, absolute": lambda h: tool("echo forged", output("File", "x"), stdout=str(h.secret)),
    "standard error": lambda h: tool("echo forged >&2", output("File", "x"), stderr=target(h)),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_no_package_writes_outside_of_its_job(name: str, site: Site, host: Host) -> None:
    before = host.read()
    run_here(site, ATTACKS[name](host))
    assert host.read() == before


FORGED = "{class: 'File', basename: 'secret.txt', contents: 'forged'"
IN_CONTAINER: dict[str, str] = {
    "a folder in a listing": "{class: 'Directory', basename: 'o', listing: [{class: 'Directory', basename: NAME,"
    f" dirname: UP, listing: [{FORGED}}}]}}]}}",
    "a secondary file of a secondary file": "{class: 'File', basename: 'o', contents: '', secondaryFiles: [{class:"
    f" 'File', basename: 'p', contents: '', secondaryFiles: [{FORGED}, dirname: UP + NAME}}]}}]}}",
}


@pytest.mark.parametrize("name", IN_CONTAINER)
def test_no_package_writes_outside_of_its_job_from_a_container(
    name: str, site: Site, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the files are put in place before the container starts
    runtime = tmp_path / "programs" / "docker"
    runtime.parent.mkdir()
    runtime.write_text("#!/bin/sh\necho '[{}]'\n")
    runtime.chmod(0o755)
    monkeypatch.setenv("PATH", str(runtime.parent), prepend=os.pathsep)
    up = f"runtime.outdir + '/{UP}{str(host.folder.parent)[1:]}/'"
    entry = IN_CONTAINER[name].replace("UP", up).replace("NAME", f"'{host.folder.name}'")
    initial = {"class": "InitialWorkDirRequirement", "listing": f"${{ return [{entry}]; }}"}
    image = {"class": "DockerRequirement", "dockerPull": "image:1"}
    before = host.read()
    refused = run_here(site, tool("true", {}, initial, image), runtime="docker")
    assert refused is not None
    assert refused.diagnosis.code == "step.outside"
    assert host.read() == before


MADE_HERE = {
    "built": {"dockerFile": "FROM scratch"},
    "loaded": {"dockerLoad": "/tmp/image.tar"},
    "imported": {"dockerImport": "http://example.org/image.tar"},
    "from an archive": {"dockerPull": "docker-archive:/tmp/image.tar"},
    "from a folder": {"dockerPull": "dir:/tmp"},
    "an option": {"dockerPull": "--help"},
}


@pytest.mark.parametrize("name", MADE_HERE)
def test_the_launcher_makes_no_image_on_the_machine(
    name: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what would be refused before the job starts
    runtime = tmp_path / "programs" / "docker"
    runtime.parent.mkdir()
    runtime.write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/called\necho '[{{}}]'\n")
    runtime.chmod(0o755)
    monkeypatch.setenv("PATH", str(runtime.parent), prepend=os.pathsep)
    image = {"class": "DockerRequirement", "dockerImageId": "debian:bookworm-slim", **MADE_HERE[name]}
    refused = run_here(site, tool("true", {}, image), runtime="docker")
    assert refused is not None
    assert "image" in refused.diagnosis.cause
    assert not (tmp_path / "called").exists()
