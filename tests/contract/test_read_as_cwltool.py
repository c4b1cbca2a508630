"""Packages and inputs are read as cwltool reads them: each rule holds the value that cwltool gives."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from tests.site import Site
from zoo_runner.model.errors import InputError
from zoo_runner.package.loading import load_package

ECHO = """
cwlVersion: v1.2
class: CommandLineTool
id: show
baseCommand: [echo, -n]
inputs:
  x: {{type: {kind}, inputBinding: {{}}}}
outputs: {{text: stdout}}
stdout: text.txt
"""


def run(site: Site, package: str, job: str | None, *words: str) -> Any:
    """Run a package on a job file; the text of its only output."""
    (site.folder / "work").mkdir(exist_ok=True)
    path, job_file = site.folder / "work" / "show.cwl", site.folder / "work" / "job.yml"
    path.write_text(package, encoding="utf-8")
    if job is not None:
        job_file.write_text(job, encoding="utf-8")
    story = site.run(site.accept(path, job_file if job is not None else None, *words))
    assert story.outcome.diagnosis is None, story.outcome.diagnosis
    assert story.outcome.results is not None
    (result,) = story.outcome.results.document.values()
    return Path(unquote(urlsplit(result["href"]).path)).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("written", "shown"),
    [("0.00001", "0.00001"), ("1e21", "1000000000000000000000"), ("1.23e5", "123000"), ("3.0", "3.0"), ("1.5", "1.5")],
)
def test_a_number_reaches_the_tool_in_the_form_that_cwltool_gives_it(site: Site, written: str, shown: str) -> None:
    assert run(site, ECHO.format(kind="double"), f"x: {written}\n") == shown


WRITTEN = (
    *("10.50", "0.00001", "1e21", "1.23e5", "1.5E+3", "123456789.123456789", "12345678901234567890.5", "-0.0"),
    *("-1.50e-10", "3.0", "7", "12345678901234567890"),
)
FORMS = f"""
cwlVersion: v1.2
class: Workflow
requirements: {{StepInputExpressionRequirement: {{}}}}
inputs:
  x: "double[]"
  own: {{type: "double[]", default: [{", ".join(WRITTEN)}]}}
outputs: {{text: {{type: File, outputSource: s/text}}}}
steps:
  s:
    in:
      x: x
      own: own
      step: {{default: [{", ".join(WRITTEN)}]}}
      one: {{source: x, valueFrom: "$(self[0])"}}
      said: {{source: x, valueFrom: "$(self[2]) is $(self)"}}
    out: [text]
    run:
      class: CommandLineTool
      baseCommand: [printf, '%s\\n']
      inputs:
        x: {{type: "double[]", inputBinding: {{}}}}
        own: {{type: "double[]", inputBinding: {{itemSeparator: ","}}}}
        step: {{type: "double[]", inputBinding: {{}}}}
        one: {{type: double, inputBinding: {{}}}}
        said: {{type: string, inputBinding: {{}}}}
      arguments:
      - "$(inputs.x[0])"
      - "$(inputs.x[3]) $(inputs.own[4])"
      - "$(inputs.step)"
      - {{valueFrom: "$(inputs.x[8])"}}
      outputs: {{text: stdout}}
      stdout: text.txt
"""
JOBS = {"yaml": f"x:\n{''.join(f'- {one}{chr(10)}' for one in WRITTEN)}", "json": f'{{"x": [{", ".join(WRITTEN)}]}}'}


def run_cwltool(folder: Path, package: str, job: str) -> str:
    """Run a package with cwltool; the text of its only output."""
    folder.mkdir()
    for name, text in (("show.cwl", package), ("job.yml", job)):
        (folder / name).write_text(text)
    program = str(Path(sys.executable).with_name("cwltool"))
    command = [program, "--no-container", "--quiet", "--outdir", "out", "show.cwl", "job.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    (result,) = json.loads(done.stdout).values()
    return Path(result["path"]).read_text()


@pytest.fixture(scope="module")
def forms_of_cwltool(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {kind: run_cwltool(tmp_path_factory.mktemp("cwltool") / kind, FORMS, job) for kind, job in JOBS.items()}


@pytest.mark.parametrize("kind", ["yaml", "json", "words"])
def test_numbers_have_the_forms_that_cwltool_gives_them(
    site: Site, forms_of_cwltool: dict[str, str], kind: str
) -> None:
    """On command lines, in expressions and in defaults, of the package and of its steps."""
    words = () if kind in JOBS else (f"x=[{', '.join(WRITTEN)}]",)
    shown = run(site, FORMS, JOBS.get(kind), *words)
    assert shown.splitlines() == forms_of_cwltool.get(kind, forms_of_cwltool["json"]).splitlines()
    assert {"10.50", "0.00001", "123456789.123456791", "123000"} <= set(shown.splitlines())


def test_a_number_with_an_exponent_is_no_integer(site: Site) -> None:
    with pytest.raises(InputError, match=r"1e3 \(number\)"):
        run(site, ECHO.format(kind="int"), "x: 1e3\n")


def test_a_bare_date_is_a_text(site: Site) -> None:
    assert run(site, ECHO.format(kind="string"), "x: 2024-02-30\n") == "2024-02-30"


@pytest.mark.parametrize("job", ["x: 🛰 ü\n", json.dumps({"x": "🛰 ü"})])
def test_text_beyond_the_basic_plane_reaches_the_tool(site: Site, job: str) -> None:
    assert run(site, ECHO.format(kind="string"), job) == "🛰 ü"


def test_text_beyond_the_basic_plane_may_stand_in_packages(site: Site) -> None:
    package = ECHO.format(kind="string").replace("[echo, -n]", '[echo, -n, "🛰"]')
    assert run(site, package, "x: a\n") == "🛰 a"


@pytest.mark.parametrize("name", ["x#1.txt", "q?m.txt", "50%20off.txt", "a:b.txt", "ü [1] 🛰.txt"])
@pytest.mark.parametrize(
    "form", ["x: {{class: File, path: {name}}}", "x: {name}", "x: {{class: File, location: {quoted}}}"]
)
def test_a_path_is_a_path_and_a_location_a_uri(site: Site, name: str, form: str) -> None:
    (site.folder / "work").mkdir()
    (site.folder / "work" / name).write_text("content")
    package = ECHO.format(kind="File").replace("[echo, -n]", "cat")
    job = form.format(name=json.dumps(name, ensure_ascii=False), quoted=json.dumps(quote(name)))
    assert run(site, package, job) == "content"


@pytest.mark.parametrize("text", ["\x7f", "a\x85b", "\x9b0m", "a\u2028b", "\ufffe", "\ufeffa", "\t"])
def test_characters_that_yaml_does_not_allow_reach_the_tool(site: Site, text: str) -> None:
    package = ECHO.format(kind="string").replace("[echo, -n]", f"[echo, -n, {json.dumps(text)}]")
    assert run(site, package, json.dumps({"x": text})) == f"{text} {text}"


LIBRARY = """
cwlVersion: v1.2
$graph:
- {class: Workflow, id: main, inputs: {x: string}, outputs: {text: {type: File, outputSource: s/text}},
   steps: {s: {run: "#echo", in: {x: x}, out: [text]}}}
- {class: CommandLineTool, id: echo, baseCommand: [echo, -n], inputs: {x: {type: string, inputBinding: {}}},
   outputs: {text: stdout}, stdout: text.txt}
"""


@pytest.mark.parametrize("reference", ["lib.cwl", "'lib.cwl'", "lib.cwl#main", "lib.cwl#echo"])
def test_a_step_may_run_a_process_in_the_graph_of_another_document(site: Site, reference: str) -> None:
    (site.folder / "work").mkdir()
    (site.folder / "work" / "lib.cwl").write_text(LIBRARY)
    outer = (
        "cwlVersion: v1.2\nclass: Workflow\nrequirements: {SubworkflowFeatureRequirement: {}}\ninputs: {x: string}\n"
        "outputs: {text: {type: File, outputSource: a/text}}\n"
        f"steps: {{a: {{run: {reference}, in: {{x: x}}, out: [text]}}}}\n"
    )
    assert run(site, outer, "x: hi\n") == "hi"
    package = load_package(str(site.folder / "work" / "show.cwl"), site.settings)
    assert f"{(site.folder / 'work' / 'lib.cwl').as_uri()}#echo/x" in package.origins.values()


ENVIRONMENT = """
cwlVersion: v1.2
class: CommandLineTool
id: show
baseCommand: [sh, -c, 'printf %s "$GREETING"']
hints: {EnvVarRequirement: {envDef: {GREETING: nothing}}}
inputs: {x: string}
outputs: {text: stdout}
stdout: text.txt
"""


@pytest.mark.parametrize(
    "added",
    [
        "cwl:requirements: [{class: EnvVarRequirement, envDef: [{envName: GREETING, envValue: $(inputs.x)}]}]",
        "cwl:requirements: {EnvVarRequirement: {envDef: {GREETING: $(inputs.x)}}}",
        "cwltool:overrides: {show.cwl#show: {requirements: {EnvVarRequirement: {envDef: {GREETING: $(inputs.x)}}}}}",
    ],
)
def test_a_job_file_may_add_requirements(site: Site, added: str) -> None:
    assert run(site, ENVIRONMENT, f"x: hi\n{added}\n") == "hi"


def test_a_document_may_have_an_absolute_id(site: Site) -> None:
    package = ECHO.format(kind="string").replace("id: show", "id: file:///home/ci/apps/lister/tool.cwl")
    assert run(site, package, "x: hi\n") == "hi"
    assert load_package(str(site.folder / "work" / "show.cwl"), site.settings).workflow_id == "tool.cwl"


PACKED = """
cwlVersion: v1.2
$graph:
- {class: Workflow, id: main, inputs: {x: {type: {name: "_:7f", type: enum, symbols: [hi, ho]}}},
   outputs: {text: {type: File, outputSource: s/text}}, steps: {s: {run: "#echo", in: {x: x}, out: [text]}},
   http://commonwl.org/cwltool#original_cwlVersion: v1.2}
- {class: CommandLineTool, id: echo, baseCommand: [echo, -n], outputs: {text: stdout}, stdout: text.txt,
   inputs: {x: {type: {name: "_:7f", type: enum, symbols: [hi, ho]}, inputBinding: {}}},
   http://commonwl.org/cwltool#original_cwlVersion: v1.2}
"""


def test_a_document_that_eoap_cwlwrap_wrote_is_read(site: Site) -> None:
    """It has an earlier version in each process, and names for types that have none, in several places."""
    assert run(site, PACKED, "x: hi\n") == "hi"


def test_a_file_may_have_a_format_that_an_ontology_beside_the_package_knows(site: Site) -> None:
    (site.folder / "work").mkdir()
    (site.folder / "work" / "formats.ttl").write_text(
        "<http://f.example/cog> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <http://f.example/tiff> ."
    )
    (site.folder / "work" / "a.tif").write_text("content")
    package = ECHO.format(kind="File, format: f:tiff").replace("[echo, -n]", "cat")
    package += "$namespaces: {f: http://f.example/}\n$schemas: [formats.ttl]\n"
    assert run(site, package, "x: {class: File, path: a.tif, format: f:cog}\n") == "content"


def test_a_step_gets_the_python_that_is_first_on_the_path_of_the_user(site: Site) -> None:
    mine = site.folder / "bin" / "python3"
    mine.parent.mkdir()
    mine.write_text("#!/bin/sh\nprintf mine\n")
    mine.chmod(0o755)
    package = ECHO.format(kind="string").replace("[echo, -n]", "python3")
    assert run(site.having(PATH=f"{mine.parent}:{site.environ['PATH']}"), package, "x: a\n") == "mine"


SHARED = """
cwlVersion: v1.2
class: Workflow
requirements: {MultipleInputFeatureRequirement: {}}
inputs: {}
outputs:
  first: {type: File, outputSource: [say/out, say/out], pickValue: first_non_null}
  all: {type: "File[]", outputSource: [say/out, say/out], pickValue: all_non_null}
  flat: {type: "File[]", outputSource: [say/out, say/out], linkMerge: merge_flattened}
steps:
  say:
    run: {class: CommandLineTool, baseCommand: [echo, -n, hi], inputs: {}, stdout: out.txt, outputs: {out: stdout}}
    in: {}
    out: [out]
"""


def test_one_file_may_be_in_several_outputs_and_twice_in_a_list(site: Site) -> None:
    (site.folder / "shared.cwl").write_text(SHARED, encoding="utf-8")
    story = site.run(site.accept(site.folder / "shared.cwl", None))
    assert story.outcome.diagnosis is None, story.outcome.diagnosis
    assert story.outcome.results is not None
    document = story.outcome.results.document
    found = [document["first"], *document["all"], *document["flat"]]
    assert [Path(unquote(urlsplit(one["href"]).path)).read_text(encoding="utf-8") for one in found] == ["hi"] * 5


def test_a_file_that_is_its_contents_has_their_size_in_bytes(site: Site) -> None:
    shown = run(
        site,
        """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [echo, -n]
inputs: {x: File, y: {type: Directory}}
arguments: [$(inputs.x.size), "$(inputs.y.listing[0].size)"]
outputs: {text: stdout}
stdout: text.txt
""",
        "x: {class: File, basename: a.txt, contents: Grüße}\n"
        "y: {class: Directory, basename: d, listing: [{class: File, basename: b.txt, contents: abc}]}\n",
    )
    assert shown == "7 3"


LISTS_OF_OWN_TYPES = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [echo, -n]
inputs:
  bands:
    type: ["null", {type: array, items: {type: enum, symbols: [red, nir]}}]
    inputBinding: {prefix: -b}
  areas:
    type:
      - "null"
      - {type: record, name: one, fields: [{name: x, type: int, inputBinding: {}}]}
      - type: array
        items: {type: array, items: {type: record, name: area, fields: [{name: y, type: int, inputBinding: {}}]}}
      - string
    inputBinding: {prefix: -a}
outputs: {text: stdout}
stdout: text.txt
"""


@pytest.mark.parametrize(
    ("job", "shown"),
    [
        ("bands: [red, nir]\n", "-b red nir"),
        ("areas: [[{y: 1}, {y: 2}], [{y: 3}]]\n", "-a 1 2 3"),
        ("areas: {x: 5}\nbands: []\n", "-a 5"),
        ("areas: text\n", "-a text"),
        ("{}\n", ""),
    ],
    ids=["enums", "records", "record", "text", "none"],
)
def test_a_list_of_enums_or_records_may_be_one_type_of_several(site: Site, job: str, shown: str) -> None:
    assert run(site, LISTS_OF_OWN_TYPES, job).strip() == shown


EITHER = """
cwlVersion: v1.2
class: CommandLineTool
requirements: {InlineJavascriptRequirement: {}}
baseCommand: [echo, -n]
inputs:
  x: {type: [File, Directory, string]}
arguments: ['$(inputs.x["class"] || "string")']
outputs: {text: stdout}
stdout: text.txt
"""


@pytest.mark.parametrize(("given", "kind"), [("data", "Directory"), ("job.yml", "File"), ("other", "string")])
def test_a_path_is_of_the_kind_that_it_has_on_this_machine(site: Site, given: str, kind: str) -> None:
    (site.folder / "work" / "data").mkdir(parents=True)
    assert run(site, EITHER, f"x: {given}\n") == kind
