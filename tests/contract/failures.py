"""Every way to fail that the documentation lists: how it is brought about, and what is told about it."""

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import Fault, FileServer, S3Server
from tests.site import Site
from tests.values import EXAMPLES, FAILING, ROOT

Done = subprocess.CompletedProcess[str]
ECHO = (EXAMPLES / "echo" / "echo.cwl", EXAMPLES / "echo" / "inputs.yml")
UNUSED_PORT = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Scene:
    """Where a failure happens: an installation, a web server and an S3 server."""

    site: Site
    web: FileServer
    s3: S3Server

    def run(self, *words: str | Path, **environ: str) -> Done:
        """`zoo-runner run` with these words."""
        return self.site.having(**environ).command("run", "--quiet", "--format", "json", *words)

    def run_failing(self, name: str, *words: str | Path, job_file: str = "inputs.yml", **environ: str) -> Done:
        """Run one of the failing packages with its inputs."""
        folder = FAILING / name
        return self.run(folder / f"{name}.cwl", folder / job_file, "-o", self.site.results, *words, **environ)

    def run_with_source(self, href: str) -> Done:
        """Run a package whose one input is a Directory at `href`."""
        item = f'item={{"class": "Directory", "location": "{href}"}}'
        package = FAILING / "source-not-found" / "source-not-found.cwl"
        return self.run(package, "-i", item, "-o", self.site.results)

    def run_to_s3(self, destination: str, **environ: str) -> Done:
        """Run a good package whose results go to an S3 service."""
        keys = self.s3.options
        return self.run(
            *ECHO,
            "-o",
            destination,
            **{
                "STAGEOUT_AWS_SERVICEURL": keys.endpoint or "",
                "STAGEOUT_AWS_ACCESS_KEY_ID": keys.access_key_id or "",
                "STAGEOUT_AWS_SECRET_ACCESS_KEY": keys.secret_access_key or "",
                **environ,
            },
        )

    def run_with_program(self, name: str, script: str, *words: str | Path) -> Done:
        """Run with a container engine of our own making on the PATH."""
        folder = self.site.folder / "programs"
        folder.mkdir()
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        path = os.pathsep.join([str(folder), self.site.environ["PATH"]])
        return self.run_failing("image-missing", "--containers", name, *words, PATH=path)

    def run_and_cancel(self) -> Done:
        """Run a slow package, and cancel it from another process once its step has begun."""
        words: list[str | Path] = ["run", FAILING / "slow" / "slow.cwl", "--job-id", "slow-one", "--format", "json"]
        with self.site.started(*words, "-o", self.site.results) as process:
            assert process.stderr
            for line in process.stderr:
                if "step sleep begins" in line:
                    break
            self.site.command("cancel", "slow-one")
            stdout, stderr = process.communicate()
        return Done(process.args, process.returncode, stdout, stderr)


@dataclass(frozen=True)
class Failure:
    """One way to fail. `cause` and `remedy` are regular expressions for what is told; `is_job`: logs are kept."""

    name: str
    what: str
    cause_it: Callable[[Scene], Done]
    exit_code: int
    stage: str
    level: str
    cause: str
    remedy: str
    is_job: bool = True
    environ: Mapping[str, str] = field(default_factory=dict)


def _serve(path: str, fault: Fault) -> Callable[[Scene], Done]:
    def cause_it(scene: Scene) -> Done:
        scene.web.fail_always(path, fault)
        return scene.run_with_source(f"{scene.web.url}/{path}")

    return cause_it


PULL_FAILS = (
    'case "$1" in info) exit 0;; image) exit 1;;'
    ' pull) echo "Error: initializing source docker://$2: reading manifest 1: {}" >&2; exit 125;; esac'
)

FAILURES = (
    Failure(
        "bad setting",
        "A setting has a value that cannot be used.",
        lambda s: s.run(*ECHO, ZOO_RUNNER_TIME_LIMIT="soon"),
        2,
        "settings",
        "engine",
        r"ZOO_RUNNER_TIME_LIMIT='soon' cannot be used",
        r"in seconds",
        is_job=False,
    ),
    Failure(
        "package missing",
        "The package is not where the command says.",
        lambda s: s.run(s.site.folder / "none.cwl"),
        3,
        "package",
        "user",
        r"none\.cwl cannot be read: No such file or directory",
        r"Check the path",
        is_job=False,
    ),
    Failure(
        "bad YAML",
        "The package is not YAML.",
        lambda s: s.run_failing("bad-yaml"),
        3,
        "package",
        "user",
        r"bad-yaml\.cwl is neither YAML nor JSON",
        r"Mend the syntax at the place named",
        is_job=False,
    ),
    Failure(
        "bad package",
        "A field of the package is misspelt.",
        lambda s: s.run_failing("bad-package"),
        3,
        "package",
        "user",
        r"bad-package\.cwl:18: invalid field 'baseComand'",
        r"Mend the document",
        is_job=False,
    ),
    Failure(
        "bad source",
        "A step takes its input from something that does not exist.",
        lambda s: s.run_failing("bad-source"),
        3,
        "package",
        "user",
        r"bad-source\.cwl:13: .*unknown identifier 'mesage'",
        r"Mend the document",
        is_job=False,
    ),
    Failure(
        "bad type",
        "An input has a type that CWL does not know.",
        lambda s: s.run_failing("bad-type"),
        3,
        "package",
        "user",
        r"bad-type\.cwl:25: .*unknown identifier 'number'",
        r"Mend the document",
        is_job=False,
    ),
    Failure(
        "class missing",
        "The package does not say whether it is a workflow or a tool.",
        lambda s: s.run_failing("missing-class"),
        3,
        "package",
        "user",
        r"Missing 'class' field",
        r"Mend the document",
        is_job=False,
    ),
    Failure(
        "several workflows",
        "The package has two workflows, and the command does not say which.",
        lambda s: s.run_failing("several-workflows"),
        3,
        "package",
        "user",
        r"several processes that could be run: #first, #second",
        r"several-workflows\.cwl#first",
        is_job=False,
    ),
    Failure(
        "bad input",
        "Inputs have wrong types.",
        lambda s: s.run_failing("bad-input"),
        4,
        "inputs",
        "user",
        r"",
        r"",
        is_job=False,
    ),
    Failure(
        "unknown input",
        "An input is misspelt.",
        lambda s: s.run_failing("bad-input", job_file="inputs-unknown.yml"),
        4,
        "inputs",
        "user",
        r"",
        r"",
        is_job=False,
    ),
    Failure(
        "job file missing",
        "The inputs are not where the command says.",
        lambda s: s.run(ECHO[0], s.site.folder / "none.yml"),
        4,
        "inputs",
        "user",
        r"the job file cannot be had: .*none\.yml cannot be read",
        r"Check the path",
        is_job=False,
    ),
    Failure(
        "source not found",
        "The address of an input does not exist.",
        _serve("item.json", Fault(status=404)),
        5,
        "stage-in",
        "user",
        r"item\.json: does not exist \(HTTP 404",
        r"Check the address",
    ),
    Failure(
        "source forbidden",
        "The address of an input is not for us.",
        _serve("item.json", Fault(status=403)),
        5,
        "stage-in",
        "user",
        r"item\.json: access is denied \(HTTP 403",
        r"ask the data's owner for access",
    ),
    Failure(
        "source unreachable",
        "Nothing answers at the address of an input.",
        lambda s: s.run_failing("source-not-found"),
        5,
        "stage-in",
        "platform",
        r"http://127\.0\.0\.1:1/none\.json: no connection to 127\.0\.0\.1",
        r"Check that the server runs",
    ),
    Failure(
        "source overloaded",
        "The server of an input says that it cannot answer now, however often it is asked.",
        _serve("item.json", Fault(status=503)),
        5,
        "stage-in",
        "platform",
        r"item\.json: .*HTTP 503",
        r"Try again later",
    ),
    Failure(
        "tool missing",
        "The program of a step is not installed.",
        lambda s: s.run_failing("tool-missing"),
        6,
        "execute",
        "user",
        r"step 'run' could not start: there is no program 'no-such-program'",
        r"correct baseCommand",
    ),
    Failure(
        "tool exit code",
        "The program of a step reports a failure.",
        lambda s: s.run_failing("tool-exit-code"),
        6,
        "execute",
        "user",
        r"step 'run' ended with exit code 3: scene has no band red",
        r"Read the step's log",
    ),
    Failure(
        "tool killed",
        "The program of a step is killed, as the system does when memory runs out.",
        lambda s: s.run_failing("tool-killed"),
        6,
        "execute",
        "user",
        r"step 'run' was killed \(signal 9\), most likely because it ran out of memory",
        r"Raise ramMin",
    ),
    Failure(
        "glob matched nothing",
        "A step leaves no file that fits the pattern of its output.",
        lambda s: s.run_failing("glob-nothing"),
        6,
        "execute",
        "user",
        r"step 'run' succeeded but left no file that matches .*\*\.tif.* for its output 'text'",
        r"Compare the output's glob",
    ),
    Failure(
        "output of the wrong type",
        "A step writes a text where the package promises a number.",
        lambda s: s.run_failing("output-type"),
        6,
        "execute",
        "user",
        r"step 'run' .*output 'result'.*int",
        r"type",
    ),
    Failure(
        "tool time limit",
        "A step takes longer than the package allows.",
        lambda s: s.run_failing("tool-time-limit"),
        6,
        "execute",
        "user",
        r"step 'run' exceeded its ToolTimeLimit of 1 s",
        r"Raise the ToolTimeLimit",
    ),
    Failure(
        "machine too small",
        "A step asks for more memory than the machine has.",
        lambda s: s.run_failing("machine-too-small"),
        7,
        "execute",
        "user",
        r"the package asks for 100000000 MiB of memory for its step 'run' and this machine has \d+",
        r"Lower ramMin in the ResourceRequirement",
    ),
    Failure(
        "disk full",
        "A step fills the disk.",
        lambda s: s.run_failing("disk-full"),
        7,
        "execute",
        "platform",
        r"step 'run' filled the disk",
        r"point ZOO_RUNNER_SCRATCH to a larger disk",
    ),
    Failure(
        "no containers",
        "The package requires a container, and there are none here.",
        lambda s: s.run_failing("image-missing"),
        7,
        "execute",
        "engine",
        r"requires a container \(docker\.io/zoo-runner/does-not-exist:1\), and containers are off",
        r"Install podman or start docker",
    ),
    Failure(
        "container engine down",
        "Docker was asked for and does not answer.",
        lambda s: s.run_with_program("docker", "exit 1"),
        7,
        "execute",
        "engine",
        r"requires a container .* and there is none: docker did not answer",
        r"Install podman or start docker",
    ),
    Failure(
        "image missing",
        "The image of a step does not exist.",
        lambda s: s.run_with_program("podman", PULL_FAILS.format("manifest unknown")),
        7,
        "execute",
        "user",
        r"the image docker\.io/zoo-runner/does-not-exist:1 does not exist",
        r"Correct dockerPull",
    ),
    Failure(
        "image forbidden",
        "The registry does not let us have the image of a step.",
        lambda s: s.run_with_program("podman", PULL_FAILS.format("unauthorized")),
        7,
        "execute",
        "user",
        r"does not let us pull the image docker\.io/zoo-runner/does-not-exist:1",
        r"log in to its registry",
    ),
    Failure(
        "bucket missing",
        "The bucket for the results does not exist.",
        lambda s: s.run_to_s3("s3://no-such-bucket/out"),
        8,
        "stage-out",
        "user",
        r"s3://no-such-bucket",
        r"bucket",
    ),
    Failure(
        "bucket forbidden",
        "The keys for the bucket of the results are wrong.",
        lambda s: s.run_to_s3("s3://results/out", STAGEOUT_AWS_SECRET_ACCESS_KEY="not-the-key"),
        8,
        "stage-out",
        "user",
        r"s3://results",
        r"STAGEOUT_AWS_|keys?",
    ),
    Failure(
        "endpoint down",
        "The S3 service for the results does not answer.",
        lambda s: s.run_to_s3("s3://results/out", STAGEOUT_AWS_SERVICEURL=UNUSED_PORT),
        8,
        "stage-out",
        "platform",
        r"s3://results",
        r"STAGEOUT_AWS_SERVICEURL|reached",
    ),
    Failure(
        "output folder unusable",
        "The folder for the results cannot be made.",
        lambda s: s.run(*ECHO, "-o", "/dev/null/results"),
        8,
        "stage-out",
        "platform",
        r"/dev/null/results",
        r"folder|path",
    ),
    Failure(
        "time limit",
        "The job takes longer than its time limit.",
        lambda s: s.run_failing("slow", "--time-limit", "4"),
        9,
        "execute",
        "user",
        r"the job took longer than its time limit of 4 s",
        r"Raise the time limit",
    ),
    Failure(
        "cancelled",
        "Somebody cancels the job.",
        Scene.run_and_cancel,
        10,
        "execute",
        "user",
        r"the job was dismissed",
        r"run it again",
    ),
)


def cover_places(text: str, scene: Scene) -> str:
    """What differs from machine to machine, replaced by what it stands for."""
    endpoint = (scene.s3.options.endpoint or "").removeprefix("http://")
    for place, name in (
        (str(scene.site.folder), "<folder>"),
        (str(FAILING), "<packages>"),
        (str(ROOT), "<repository>"),
        (scene.web.url, "http://data.example"),
        (endpoint, "s3.example"),
    ):
        text = text.replace(place, name)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<job-id>", text)
    text = re.sub(r"this machine has \d+(\.\d+)?", "this machine has <number>", text)
    return re.sub(r"(<folder>/scratch/<job-id>/\w+/)\w+", r"\1<step>", text)


def shown_message(done: Done, scene: Scene) -> str:
    """The message of a failure as printed, from its first line on."""
    _, found, message = done.stderr.partition("error: ")
    return cover_places(found + message, scene).rstrip()
