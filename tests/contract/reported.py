"""Failures that users reported in public trackers, brought about again: what they printed, and what is said here."""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.contract.failures import Failure
from tests.contract.scenes import Done, Scene
from tests.servers import Fault

GITHUB = "https://github.com/"
TOOL = """cwlVersion: v1.2
class: CommandLineTool
id: tool
"""
WORKFLOW = """cwlVersion: v1.2
class: Workflow
id: flow
"""
ECHO = """cwlVersion: v1.2
class: CommandLineTool
id: echo
baseCommand: echo
inputs:
  text: {type: string, inputBinding: {}}
outputs:
  printed: stdout
"""


@dataclass(frozen=True)
class Run:
    """Runs a package; `files` lie beside it, `job` is the name of its job file, `words` are more of the command."""

    package: str
    files: tuple[tuple[str, str], ...] = ()
    job: str | None = None
    words: tuple[str, ...] = ()

    def __call__(self, scene: Scene) -> Done:
        for name, text in (("package.cwl", self.package), *self.files):
            path = scene.site.folder / name
            path.write_text(text, newline="")
        given = [scene.site.folder / self.job] if self.job else []
        return scene.run(scene.site.folder / "package.cwl", *given, *self.words, "-o", scene.site.results)


def _with_job(package: str, job: str, **files: str) -> Run:
    return Run(
        package, (("job.yml", job), *((name.replace("_", "."), text) for name, text in files.items())), "job.yml"
    )


def _script(*command: str, **members: Any) -> Run:
    """Run a tool with this command line."""
    tool = {"cwlVersion": "v1.2", "class": "CommandLineTool", "id": "tool", "baseCommand": list(command)}
    return Run(json.dumps({**tool, "inputs": {}, "outputs": {}, **members}, indent=1))


def _prints(*lines: str, exit_code: int = 1) -> Run:
    """Run a tool that prints what the tool of the report printed."""
    said = " ".join(shlex.quote(line) for line in lines)
    return _script("sh", "-c", f"printf '%s\\n' {said} >&2; exit {exit_code}")


def _python(*lines: str) -> Run:
    return _script("python3", "-c", "\n".join(lines))


def _workdir(name: str, text: str) -> dict[str, Any]:
    return {"InitialWorkDirRequirement": {"listing": [{"entryname": name, "entry": text}]}}


def _package(
    name: str, what: str, report: str, run: Callable[[Scene], Done], code: str, *facts: str, is_job: bool = False
) -> Failure:
    return Failure(name, what, run, 3, "package", "user", code, facts, is_job=is_job, report=GITHUB + report)


def _input(name: str, what: str, report: str, run: Callable[[Scene], Done], code: str, *facts: str) -> Failure:
    return Failure(name, what, run, 4, "inputs", "user", code, facts, is_job=False, report=GITHUB + report)


def _source(name: str, what: str, report: str, run: Callable[[Scene], Done], code: str, *facts: str) -> Failure:
    return Failure(name, what, run, 5, "stage-in", "user", code, facts, report=GITHUB + report)


def _step(
    name: str, what: str, report: str, run: Callable[[Scene], Done], code: str, *facts: str, advice: str = ""
) -> Failure:
    return Failure(name, what, run, 6, "execute", "user", code, facts, report=GITHUB + report, advice=advice)


def _expire(scene: Scene) -> str:
    message = b"Signature not valid in the specified time frame"
    body = b"<Error><Code>AuthenticationFailed</Code><Message>%b</Message></Error>" % message
    scene.web.fail_always("item.json", Fault(403, {"Content-Type": "application/xml"}, body))
    return f"{scene.web.url}/item.json?se=2025-09-23T19%3A22%3A35Z&sig=abc"


OF_PACKAGES = (
    _package(
        "step without a name",
        "The steps of a workflow are written as if there were only one.",
        "common-workflow-language/cwltool/issues/1635",
        Run(f"{WORKFLOW}inputs: {{}}\noutputs: []\nsteps:\n  run: tool.cwl\n  in: {{}}\n  out: []\n"),
        "package.invalid",
    ),
    _package(
        "hints without content",
        "A tool of a workflow has `hints:` with nothing below it.",
        "common-workflow-language/cwltool/issues/1438",
        Run(
            f"{WORKFLOW}inputs: {{}}\noutputs: []\nsteps:\n  one: {{run: tool.cwl, in: {{}}, out: []}}\n",
            (("tool.cwl", f"{TOOL}hints:\nbaseCommand: echo\ninputs: {{}}\noutputs: []\n"),),
        ),
        "package.invalid",
        "tool.cwl",
    ),
    _package(
        "outputs without content",
        "A tool has `outputs:` with nothing below it.",
        "common-workflow-language/cwltool/issues/709",
        Run(f"{TOOL}baseCommand: echo\ninputs: []\noutputs:\n"),
        "package.invalid",
    ),
    _package(
        "step input misspelt",
        "A step gives its tool an input that the tool does not have, and not the one that it has.",
        "common-workflow-language/cwltool/issues/370",
        Run(
            f"{WORKFLOW}inputs: {{scene: string}}\noutputs: []\n"
            "steps:\n  star: {run: echo.cwl, in: {texts: scene}, out: [printed]}\n",
            (("echo.cwl", ECHO),),
        ),
        "package.invalid",
    ),
    _package(
        "step output misspelt",
        "A step promises an output that its tool does not have.",
        "common-workflow-language/cwltool/issues/955",
        Run(
            f"{WORKFLOW}inputs: {{scene: string}}\noutputs: []\n"
            "steps:\n  count: {run: echo.cwl, in: {text: scene}, out: [print_out]}\n",
            (("echo.cwl", ECHO),),
        ),
        "package.invalid",
    ),
    _package(
        "quotes inside quotes",
        "A command in brackets has quotes that end its text too early.",
        "yuch7/cwlexec/issues/9",
        Run(f'{TOOL}baseCommand: [awk, "{{$5=$6=""; print $0}}"]\ninputs: {{}}\noutputs: {{}}\n'),
        "package.syntax",
        "package.cwl",
    ),
)
ENUM = f"{TOOL}baseCommand: echo\ninputs: {{way: {{type: {{type: enum, symbols: [fast, slow]}}}}}}\noutputs: {{}}\n"
CAT = f"{TOOL}baseCommand: cat\ninputs:\n  file: {{type: File, inputBinding: {{}}}}\noutputs: {{}}\n"
OF_INPUTS = (
    _input(
        "job file empty",
        "The job file has nothing in it.",
        "common-workflow-language/cwltool/issues/2043",
        _with_job(ECHO, ""),
        "inputs.missing",
        "text",
    ),
    _input(
        "job file of another kind",
        "A file of data is given in place of the job file.",
        "common-workflow-language/cwltool/issues/928",
        _with_job(ECHO, "this is the file whose checksum is wanted\n"),
        "inputs.type",
        "job.yml",
    ),
    _source(
        "text for a file",
        "An input of type File has a text that is no path.",
        "common-workflow-language/cwltool/issues/758",
        _with_job(CAT, 'file: "not_a_file"\n'),
        "source.not-found",
        "not_a_file",
    ),
    _input(
        "name in the job file misspelt",
        "The job file calls an input otherwise than the package.",
        "common-workflow-language/cwltool/issues/1134",
        _with_job(ECHO, "txt: hello\n"),
        "inputs.invalid",
        "text",
    ),
    _input(
        "secondary file missing",
        "A file lacks the file that has to lie beside it.",
        "common-workflow-language/cwltool/issues/1151",
        _with_job(
            CAT.replace("inputBinding", "secondaryFiles: [.fai], inputBinding"),
            "file: {class: File, path: gdc.dict}\n",
            gdc_dict="x",
        ),
        "inputs.missing",
        "gdc.dict.fai",
    ),
    _input(
        "value not among the choices",
        "An enum gets a value that it does not list.",
        "common-workflow-language/cwltool/issues/704",
        _with_job(ENUM, "way: quick\n"),
        "inputs.type",
        "quick",
    ),
    _input(
        "null among the files of an array",
        "A list of files has an empty place.",
        "common-workflow-library/legacy/issues/138",
        _with_job(CAT.replace("type: File", "type: 'File[]'"), "file: [{class: File, path: a.txt}, null]\n", a_txt="x"),
        "inputs.type",
        "file",
    ),
)
JAVASCRIPT: Mapping[str, Any] = {"InlineJavascriptRequirement": {}}
OF_EXPRESSIONS = (
    _step(
        "self is null",
        "An expression reads a member of an optional input that was not given.",
        "common-workflow-language/cwltool/issues/513",
        _script(
            "echo",
            requirements=JAVASCRIPT,
            inputs={"file": "File?"},
            arguments=["$(inputs.file.basename.toUpperCase())"],
        ),
        "step.expression",
        "'basename' of null",
    ),
    _step(
        "JavaScript without its requirement",
        "A package has JavaScript and does not require it.",
        "DataBiosphere/toil/pull/1757",
        _script("echo", arguments=["$(parseInt(runtime.cores) + 1)"]),
        "step.requirement-missing",
        "InlineJavascriptRequirement",
    ),
    _step(
        "expression with another result",
        "An ExpressionTool returns something that is not among its outputs.",
        "common-workflow-language/cwltool/issues/1026",
        Run(
            "cwlVersion: v1.2\nclass: ExpressionTool\nid: tool\nrequirements: {InlineJavascriptRequirement: {}}\n"
            "inputs: {text: string}\noutputs: {my_output: string}\n"
            "expression: '${return {not_my_output: {my_input: inputs.text}};}'\n",
            words=("-i", "text=a"),
        ),
        "step.output-type",
        "my_output",
    ),
    _step(
        "a file as the name of a file",
        "`stdout` is a reference to a file, where the name of one is needed.",
        "yuch7/cwlexec/issues/37",
        _with_job(
            CAT.replace("outputs: {}", "outputs: {copy: stdout}\nstdout: $(inputs.file)"),
            "file: {class: File, path: a.txt}\n",
            a_txt="x",
        ),
        "step.expression",
        "stdout",
    ),
    _step(
        "two files of one name",
        "A folder that an expression builds has two files of the same name.",
        "common-workflow-language/cwltool/issues/1403",
        _script(
            "ls",
            requirements={
                **JAVASCRIPT,
                "InitialWorkDirRequirement": {
                    "listing": [
                        {
                            "entryname": "some_dir",
                            "entry": "${var f = function(c) { return {'class': 'File', 'basename': 'a.txt',"
                            " 'contents': c}; }; return {'class': 'Directory', 'listing': [f('1'), f('2')]};}",
                        }
                    ]
                },
            },
        ),
        "step.not-ready",
        "a.txt",
    ),
    _step(
        "File without location",
        "An expression builds a File that has a name, and neither location nor contents.",
        "common-workflow-language/cwltool/issues/303",
        _script(
            "ls",
            requirements={
                **JAVASCRIPT,
                "InitialWorkDirRequirement": {"listing": ["${return [{'class': 'File', 'basename': 'a.txt'}];}"]},
            },
        ),
        "step.not-ready",
    ),
    _step(
        "cwl.output.json is not JSON",
        "A tool writes text in front of the JSON in cwl.output.json.",
        "common-workflow-language/cwltool/issues/291",
        _script("sh", "-c", "echo 'done: {a: 1}' > cwl.output.json", outputs={"a": "int"}),
        "step.output-invalid",
        "cwl.output.json",
    ),
    _step(
        "format of another kind",
        "A file has a format that the tool does not accept.",
        "common-workflow-language/cwltool/issues/704",
        _with_job(
            CAT.replace("inputBinding", "format: 'http://edamontology.org/format_2572', inputBinding"),
            "file: {class: File, path: a.bam, format: 'http://edamontology.org/format_1929'}\n",
            a_bam="x",
        ),
        "step.input-format",
        "format_2572",
        "format_1929",
    ),
)
OF_TOOLS = (
    _step(
        "line ends of Windows",
        "The first line of a script ends with a carriage return.",
        "fboulnois/stable-diffusion-docker/issues/19",
        _script(
            "sh",
            "-c",
            "chmod +x run.py; env ./run.py",
            requirements=_workdir("run.py", "#!/usr/bin/env python3\r\nprint(1)\r\n"),
        ),
        "step.program-not-found",
        advice="dos2unix",
    ),
    _step(
        "program for another processor",
        "The program of an image was built for another processor.",
        "langfuse/langfuse/issues/2556",
        _python(
            "import os",
            "with open('tool', 'wb') as file: file.write(bytes([127]) + b'ELF' + bytes(60))",
            "os.chmod('tool', 0o755)",
            "os.execv('./tool', ['tool'])",
        ),
        "step.not-started",
        advice="linux/amd64",
    ),
    _step(
        "Python module missing",
        "A step starts a Python that does not have the module.",
        "BAMresearch/NFDI4IngScientificWorkflowRequirements/issues/74",
        _python("from conda.cli import main"),
        "step.program-not-found",
        "No module named 'conda'",
        advice="baseCommand",
    ),
    _step(
        "memory of Python",
        "A tool asks for more memory than there is.",
        "clcr/pyeo/issues/39",
        _python("bytearray(10**17)"),
        "step.out-of-memory",
        "MemoryError",
        advice="ramMin",
    ),
    _step(
        "memory for an array",
        "numpy asks for more memory than there is.",
        "yumorishita/LiCSBAS/issues/414",
        _python("import numpy", "numpy.zeros((109000, 2685000, 3338), dtype=numpy.float32)"),
        "step.out-of-memory",
        "Unable to allocate",
        "float32",
        advice="ramMin",
    ),
    _step(
        "memory of a GPU",
        "A model needs more memory than the GPU has.",
        "yyliu01/RPL/issues/14",
        _prints(
            "RuntimeError: CUDA out of memory. Tried to allocate 602.00 MiB (GPU 0; 5.70 GiB total capacity; 2.97 GiB"
            " already allocated; 340.50 MiB free; 3.57 GiB reserved in total by PyTorch)"
        ),
        "step.out-of-memory",
        "602.00 MiB",
        advice="GPU",
    ),
    _step(
        "memory of Java",
        "A program in Java needs more memory than its limit.",
        "ICIJ/datashare/issues/1189",
        _prints('Exception in thread "main" java.lang.OutOfMemoryError: Java heap space'),
        "step.out-of-memory",
        "Java heap space",
        advice="-Xmx",
    ),
    _step(
        "shared memory",
        "The processes of a tool share more memory than the container has for that.",
        "nianticlabs/simplerecon/issues/3",
        _prints(
            "ERROR: Unexpected bus error encountered in worker."
            " This might be caused by insufficient shared memory (shm)."
        ),
        "step.out-of-memory",
        "shared memory",
        advice="/dev/shm",
    ),
    _step(
        "step without network",
        "A tool fetches data itself, and steps have no network.",
        "common-workflow-lab/ipython2cwl/issues/26",
        _python("import urllib.request", "urllib.request.urlopen('http://data.invalid/item.json')"),
        "step.network",
        advice="NetworkAccess",
    ),
    _step(
        "authority unknown to a tool",
        "A tool fetches data itself, and does not know who signed the certificate.",
        "gjoseph92/stackstac/issues/228",
        lambda scene: scene.run_over_tls(
            lambda s: _python("import urllib.request", f"urllib.request.urlopen('{s.web.url}/item.json')")(s)
        ),
        "step.network",
        "CERTIFICATE_VERIFY_FAILED",
        advice="certificate",
    ),
    _step(
        "tool without credentials",
        "A tool reads from a bucket itself, and steps have no credentials.",
        "boto/boto3/issues/2412",
        _prints("botocore.exceptions.NoCredentialsError: Unable to locate credentials"),
        "step.credentials",
        "NoCredentialsError",
        advice="input",
    ),
    _step(
        "requester pays",
        "A tool reads itself from a bucket whose reader pays.",
        "cogeotiff/rio-tiler/issues/52",
        _prints("rasterio._err.CPLE_AWSAccessDeniedError: Access Denied"),
        "step.credentials",
        "Access Denied",
        advice="pays",
    ),
    _step(
        "no raster at all",
        "The file that should be a raster is empty.",
        "rasterio/rasterio/issues/2152",
        _python("import rasterio", "open('a.tif', 'w').close()", "rasterio.open('a.tif')"),
        "step.exit-code",
        "a.tif",
        "not recognized as",
        advice="gdalinfo --formats",
    ),
    _step(
        "damaged raster",
        "A raster ends too early.",
        "rasterio/rasterio/issues/1334",
        _python(
            "import numpy, os, rasterio",
            "data = numpy.random.default_rng(1).integers(0, 255, (1, 512, 512), dtype='uint8')",
            "shape = dict(driver='GTiff', width=512, height=512, count=1, dtype='uint8', compress='deflate')",
            "with rasterio.open('a.tif', 'w', **shape) as raster: raster.write(data)",
            "os.truncate('a.tif', 150000)",
            "rasterio.open('a.tif').read()",
        ),
        "step.exit-code",
        advice="checksum",
    ),
    _step(
        "codec missing",
        "The GDAL of an image cannot read how a raster is compressed.",
        "rasterio/rasterio/issues/3044",
        _prints("rasterio.errors.RasterioIOError: Cannot open TIFF file due to missing codec LERC."),
        "step.exit-code",
        "missing codec LERC",
        advice="codec",
    ),
    _step(
        "proj.db missing",
        "PROJ does not find its database.",
        "PDAL/PDAL/issues/2992",
        _prints(
            "(Error) GDAL failure (1) PROJ: proj_create_from_database: Cannot find proj.db",
            "PDAL: Unable to import target SRS.",
        ),
        "step.exit-code",
        advice="PROJ_DATA",
    ),
    _step(
        "cache not writable",
        "A library keeps what it compiled in a folder that a step may not write.",
        "numba/numba/issues/4032",
        _prints(
            "RuntimeError: cannot cache function 'gaussft': no locator available for file"
            " '/opt/conda/envs/racs-tools/lib/python3.8/site-packages/racs_tools/gaussft.py'"
        ),
        "step.exit-code",
        "no locator available",
        advice="NUMBA_CACHE_DIR",
    ),
    _step(
        "file system read-only",
        "A tool writes beside its input, or into its image.",
        "common-workflow-language/cwltool/issues/1060",
        _prints('genrsa: Can\'t open "/etc/apache2/ssl/pass.key" for writing, Read-only file system'),
        "step.exit-code",
        "Read-only file system",
        advice="writable: true",
    ),
    _step(
        "library missing",
        "An image lacks a library of the system.",
        "pangeo-data/helm-chart/issues/74",
        _prints("ImportError: libncurses.so.6: cannot open shared object file: No such file or directory"),
        "step.not-started",
        "libncurses.so.6",
        advice="library",
    ),
    _step(
        "too many open files",
        "A tool opens all its files at once.",
        "CCI-Tools/cate/issues/102",
        _script("sh", "-c", "ulimit -n 32; python3 -c \"files = [open('/dev/null') for _ in range(64)]\""),
        "step.exit-code",
        "Too many open files",
        advice="ulimit",
    ),
    _step(
        "language of the image",
        "A tool prints letters that its language settings do not have.",
        "anaconda/docker-images/issues/51",
        _script("sh", "-c", "PYTHONIOENCODING=ascii python3 -c \"print('\\u00fc')\""),
        "step.exit-code",
        "'ascii' codec",
        advice="LANG=C.UTF-8",
    ),
    _step(
        "option unknown to the tool",
        "The package gives a tool an option that its version does not have.",
        "BD2KGenomics/protect/issues/226",
        _script(
            "python3",
            "-c",
            "import argparse; argparse.ArgumentParser(prog='wrapper.py').parse_args()",
            "--cosmic_beds",
            "radia_cosmic.tar.gz",
        ),
        "step.exit-code",
        "unrecognized arguments: --cosmic_beds",
        advice="prefix",
    ),
    _step(
        "pipe without a shell",
        "A command line has a pipe, and no shell to make it.",
        "common-workflow-language/user_guide/issues/159",
        _script("cat", "/dev/null", "|", "wc"),
        "step.exit-code",
        advice="shellQuote: false",
    ),
    _step(
        "script not executable",
        "A script has no permission to be executed.",
        "DataBiosphere/toil/issues/3146",
        _script("./iAnnotateSV.sh", requirements=_workdir("iAnnotateSV.sh", "#!/bin/sh\n")),
        "step.not-started",
        advice="interpreter",
    ),
)
OF_SOURCES = (
    Failure(
        "signature expired",
        "The signature in the address of a source has expired.",
        lambda scene: scene.run_with_source(_expire(scene)),
        5,
        "stage-in",
        "user",
        "source.forbidden",
        ("item.json",),
        report=f"{GITHUB}allenai/rslearn/issues/288",
    ),
)
REPORTED = (*OF_PACKAGES, *OF_INPUTS, *OF_SOURCES, *OF_EXPRESSIONS, *OF_TOOLS)
