"""A package reads files of the machine: through outputs, links, literals, expressions, addresses."""

import json
from collections.abc import Callable

import pytest

from tests.attacks.hostile import (
    Document,
    Host,
    expression,
    find_canary,
    output,
    run_here,
    show_file,
    tool,
    workflow,
)
from tests.site import Site

UP = "../" * 24


def file_at(location: str) -> Document:
    return {"class": "File", "location": location}


def write_outputs(value: Document) -> str:
    """A script that writes cwl.output.json."""
    return f"echo '{json.dumps({'o': value})}' > cwl.output.json"


def stage(entry: object, kind: str = "File") -> Document:
    """A tool that copies what InitialWorkDirRequirement gave it."""
    listing = entry if isinstance(entry, str) else [entry]
    initial = {"class": "InitialWorkDirRequirement", "listing": listing}
    return tool("cp -rL . ../copied; mv ../copied shown", output("Directory", "shown"), initial)


def with_secondary(pattern: object) -> Document:
    outputs = {"o": {"type": "File", "secondaryFiles": pattern, "outputBinding": {"glob": "a.txt"}}}
    return tool("touch a.txt", outputs)


def value_from(code: str) -> Document:
    step = {"run": show_file(), "in": {"x": {"valueFrom": f"${{ return {code}; }}"}}, "out": ["o"]}
    return workflow({"last": step})


def computed(code: str, **more: object) -> Document:
    """A workflow in which an expression makes the file that the next step reads."""
    first = {"run": {k: v for k, v in expression(code).items() if k != "cwlVersion"}, "in": {}, "out": ["o"]}
    return workflow({"first": first, "last": {"run": show_file(**more), "in": {"x": "first/o"}, "out": ["o"]}})


def reading_contents() -> Document:
    inputs = {"x": {"type": "File", "loadContents": True}}
    return {k: v for k, v in expression("inputs.x.contents", "string", inputs).items() if k != "cwlVersion"}


def contents_of(code: str) -> Document:
    first = {"run": {k: v for k, v in expression(code).items() if k != "cwlVersion"}, "in": {}, "out": ["o"]}
    last = {"run": reading_contents(), "in": {"x": "first/o"}, "out": ["o"]}
    return workflow({"first": first, "last": last}, kind="string")


def js(value: object) -> str:
    return json.dumps(value)


OWN_SCRATCH = "{class: 'File', location: 'file://' + runtime.outdir + '/../../run.json'}"

ATTACKS: dict[str, Callable[[Host], Document]] = {
    "a glob with steps up": lambda h: tool("true", output("File", f"{UP}{str(h.secret)[1:]}")),
    "a glob with steps up to a folder": lambda h: tool("true", output("Directory", f"{UP}{str(h.folder)[1:]}")),
    "a glob with a step up behind a folder": lambda h: tool("mkdir a", output("File", f"a/{UP}{str(h.secret)[1:]}")),
    "a computed glob with steps up": lambda h: tool("true", output("File", f"$('{UP}{str(h.secret)[1:]}')")),
    "an absolute glob": lambda h: tool("true", output("File", str(h.secret))),
    "a link to a file": lambda h: tool(f"ln -s {h.secret} o.txt", output("File", "o.txt")),
    "a link to a folder": lambda h: tool(f"ln -s {h.folder} o", output("Directory", "o")),
    "a link in a folder": lambda h: tool(f"mkdir o; ln -s {h.secret} o/x", output("Directory", "o")),
    "a link to a folder in a folder": lambda h: tool(f"mkdir o; ln -s {h.folder} o/x", output("Directory", "o")),
    "a deep link": lambda h: tool(f"mkdir -p o/a/b; ln -s {h.secret} o/a/b/x", output("Directory", "o")),
    "a relative link": lambda h: tool(f"ln -s {UP}{str(h.secret)[1:]} o.txt", output("File", "o.txt")),
    "a link to a link": lambda h: tool(f"ln -s {h.secret} a; ln -s a o.txt", output("File", "o.txt")),
    "a file behind a link": lambda h: tool(f"ln -s {h.folder} d", output("File", "d/secret.txt")),
    "a file behind a step up behind a link": lambda h: tool(
        f"ln -s {h.folder}/below d; ln -s d/../secret.txt o.txt", output("File", "o.txt")
    ),
    "a pattern behind a link": lambda h: tool(f"ln -s {h.folder} d", output("File", "d/s*.txt")),
    "the content of a link": lambda h: tool(
        f"ln -s {h.secret} a",
        output("string", "a", loadContents=True, outputEval="$(self[0].contents)"),
    ),
    "the content of a file behind a link": lambda h: tool(
        f"ln -s {h.folder} d",
        output("string", "d/secret.txt", loadContents=True, outputEval="$(self[0].contents)"),
    ),
    "the names in a folder behind a link": lambda h: tool(
        f"ln -s {h.folder} d",
        output("string", "d", loadListing="deep_listing", outputEval="$(JSON.stringify(self))"),
    ),
    "the size of a file": lambda h: tool(
        f"ln -s {h.secret} a", output("string", "a", outputEval="$('' + self[0].size)")
    ),
    "cwl.output.json: a location": lambda h: tool(write_outputs(file_at(h.secret.as_uri())), {"o": "File"}),
    "cwl.output.json: a path": lambda h: tool(write_outputs({"class": "File", "path": str(h.secret)}), {"o": "File"}),
    "cwl.output.json: a location with steps up": lambda h: tool(
        write_outputs(file_at(f"{UP}{str(h.secret)[1:]}")), {"o": "File"}
    ),
    "cwl.output.json: a folder": lambda h: tool(
        write_outputs({"class": "Directory", "location": h.folder.as_uri()}), {"o": "Directory"}
    ),
    "cwl.output.json: a listing": lambda h: tool(
        write_outputs({"class": "Directory", "basename": "o", "listing": [file_at(h.secret.as_uri())]}),
        {"o": "Directory"},
    ),
    "cwl.output.json: secondary files": lambda h: tool(
        "touch a.txt; "
        + write_outputs({"class": "File", "path": "a.txt", "secondaryFiles": [file_at(h.secret.as_uri())]}),
        {"o": "File"},
    ),
    "cwl.output.json is a link": lambda h: tool(f"ln -s {h.folder}/secret.json cwl.output.json", {"o": "string"}),
    "cwl.output.json: an address": lambda h: tool(write_outputs(file_at(h.url)), {"o": "File"}),
    "InitialWorkDir: a file": lambda h: stage(file_at(h.secret.as_uri())),
    "InitialWorkDir: a folder": lambda h: stage({"class": "Directory", "location": h.folder.as_uri()}),
    "InitialWorkDir: an entry": lambda h: stage(
        {"entryname": "x", "entry": f"${{ return {js(file_at(h.secret.as_uri()))}; }}"}
    ),
    "InitialWorkDir: a writable entry": lambda h: stage(
        {"entryname": "x", "writable": True, "entry": f"${{ return {js(file_at(h.secret.as_uri()))}; }}"}
    ),
    "InitialWorkDir: a writable folder": lambda h: stage(
        {
            "entryname": "x",
            "writable": True,
            "entry": f"${{ return {js({'class': 'Directory', 'location': h.folder.as_uri()})}; }}",
        }
    ),
    "InitialWorkDir: an expression": lambda h: stage(f"${{ return [{js(file_at(h.secret.as_uri()))}]; }}"),
    "InitialWorkDir: a listing": lambda h: stage(
        {"class": "Directory", "basename": "x", "listing": [file_at(h.secret.as_uri())]}
    ),
    "InitialWorkDir: secondary files": lambda h: stage(
        {"class": "File", "basename": "x", "contents": "x", "secondaryFiles": [file_at(h.secret.as_uri())]}
    ),
    "InitialWorkDir: an address": lambda h: stage(f"${{ return [{js(file_at(h.url))}]; }}"),
    "valueFrom: a file": lambda h: value_from(js(file_at(h.secret.as_uri()))),
    "valueFrom: a path": lambda h: value_from(js({"class": "File", "path": str(h.secret)})),
    "valueFrom: an address": lambda h: value_from(js(file_at(h.url))),
    "the default of a step": lambda h: workflow(
        {
            "last": {
                "run": show_file(),
                "in": {"x": {"default": None, "valueFrom": f"${{ return {js(file_at(h.secret.as_uri()))}; }}"}},
                "out": ["o"],
            }
        }
    ),
    "ExpressionTool: a file": lambda h: expression(js(file_at(h.secret.as_uri()))),
    "ExpressionTool: a path": lambda h: expression(js({"class": "File", "path": str(h.secret)})),
    "ExpressionTool: a folder": lambda h: expression(
        js({"class": "Directory", "location": h.folder.as_uri()}), "Directory"
    ),
    "ExpressionTool: a listing": lambda h: expression(
        js({"class": "Directory", "basename": "o", "listing": [file_at(h.secret.as_uri())]}), "Directory"
    ),
    "ExpressionTool: an address": lambda h: expression(js(file_at(h.url))),
    "ExpressionTool: run.json": lambda h: computed(OWN_SCRATCH),
    "a computed file for a step": lambda h: computed(js(file_at(h.secret.as_uri()))),
    "a computed address for a step": lambda h: computed(js(file_at(h.url))),
    "a computed file with secondary files": lambda h: computed(
        js({"class": "File", "basename": "x", "contents": "x", "secondaryFiles": [file_at(h.secret.as_uri())]})
    ),
    "the content of a computed file": lambda h: contents_of(js(file_at(h.secret.as_uri()))),
    "outputEval: a file": lambda h: tool(
        "true",
        {"o": {"type": "File", "outputBinding": {"outputEval": f"${{ return {js(file_at(h.secret.as_uri()))}; }}"}}},
    ),
    "a secondary file with steps up": lambda h: with_secondary([f"$('{UP}{str(h.secret)[1:]}')"]),
    "a computed secondary file": lambda h: with_secondary([f"${{ return {js(file_at(h.secret.as_uri()))}; }}"]),
    "standard input": lambda h: tool("cat > o.txt", output("File", "o.txt"), stdin=str(h.secret)),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_no_package_reads_what_does_not_belong_to_its_job(name: str, site: Site, host: Host) -> None:
    error = run_here(site, ATTACKS[name](host))
    assert find_canary(site.results) == []
    assert host.contacts == []
    assert error is not None


@pytest.mark.parametrize(
    "name",
    ["a glob with steps up", "a link in a folder", "ExpressionTool: an address"],
)
def test_what_is_refused_has_a_code(name: str, site: Site, host: Host) -> None:
    error = run_here(site, ATTACKS[name](host))
    assert error is not None
    assert error.diagnosis.code == "step.outside"
