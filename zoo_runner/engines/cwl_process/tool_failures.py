"""What tools print when they fail for a reason that many users met: what to do about each; pure.

The reports in public trackers that these are from are in docs/failures.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from zoo_runner.engines.cwl_process.signals import FILE_REMEDY
from zoo_runner.engines.cwl_process.words import words

_EXCEPTION = words(r"[A-Za-z_][\w.]*(?:Error|Exception)\b")
_STAGE = "Give the data as an input of type File or Directory: inputs are staged in, with the credentials of the site."


@dataclass(frozen=True)
class ToolFailure:
    """A failure by the words that tools print; `code` where it has a cause of its own."""

    words: re.Pattern[str]
    remedy: str
    code: str = "step.exit-code"


def find_tool_failure(said: str, lines: Iterable[str] = ()) -> ToolFailure | None:
    """Find the failure in the line that is a tool's reason, else in its last lines.

    An exception is a reason of its own: what was printed before it, such as a warning, does not explain it.
    """
    found = _search(said)
    return found if found or _EXCEPTION.match(said) else _search("\n".join(lines))


def _search(text: str) -> ToolFailure | None:
    return next((failure for failure in TOOL_FAILURES if failure.words.search(text)), None)


TOOL_FAILURES = (
    ToolFailure(
        words(r"^bwrap: execvp [^\n]+: No such file or directory", re.MULTILINE),
        "Run the step in a container that has the program, or install it where sandboxes see it: below /usr, or in a"
        " folder of ZOO_RUNNER_SANDBOX_FOLDERS that is on the PATH of the runner.",
        "step.program-not-found",
    ),
    ToolFailure(
        words(r"CUDA (?:error: )?out of memory|CUDA_ERROR_OUT_OF_MEMORY"),
        "Give the tool smaller tiles or batches, or run it on a GPU with more memory.",
        "step.out-of-memory",
    ),
    ToolFailure(
        words(r"insufficient shared memory|out of shared memory"),
        "Let the tool read its data in one process (num_workers=0), or ask the operator for a larger /dev/shm.",
        "step.out-of-memory",
    ),
    ToolFailure(
        words(r"OutOfMemoryError: Java heap space|GC overhead limit exceeded"),
        "Raise the memory of Java (-Xmx; of SNAP: gpt.vmoptions, or `gpt -c`), and ramMin of the step above it.",
        "step.out-of-memory",
    ),
    ToolFailure(
        words(r"\bMemoryError\b|Unable to allocate [\d.]+ \w?i?B for an array|std::bad_alloc|Cannot allocate memory"),
        "Raise ramMin in the step's ResourceRequirement, let the tool work tile by tile, or give it less data.",
        "step.out-of-memory",
    ),
    ToolFailure(
        words(
            r"Name or service not known|[Nn]ame resolution|Could not resolve host|Network is unreachable"
            r"|nodename nor servname"
        ),
        f"{_STAGE} If the tool has to fetch it itself, it needs NetworkAccess (`networkAccess: true`, CWL v1.1 and"
        " later), and a site that allows it.",
        "step.network",
    ),
    ToolFailure(
        words(r"CERTIFICATE_VERIFY_FAILED|SSL certificate problem|unable to get local issuer certificate"),
        f"{_STAGE} If the tool has to fetch it itself, its image needs the certificate of the authority.",
        "step.network",
    ),
    ToolFailure(
        words(
            r"NoCredentialsError|Unable to locate credentials|AWS_SECRET_ACCESS_KEY[^\n]+not defined|InvalidAccessKeyId"
            r"|AWSAccessDeniedError|\bAccess ?Denied\b|AuthenticationFailed|HTTP (?:response|error) code[^\n]*: ?40[13]"
            r"\b|(?:HTTP ?Error|ERROR|Error) ?40[13]\b|\b40[13] (?:Client Error|Forbidden|Unauthorized)"
        ),
        f"{_STAGE} Steps never have them; the settings of stage-in name those of each host and bucket, and who pays.",
        "step.credentials",
    ),
    ToolFailure(
        words(r"missing codec"),
        "Use an image whose GDAL has this codec (`gdalinfo --format GTiff` lists them), or data compressed otherwise.",
    ),
    ToolFailure(
        words(
            r"TIFF(?:Fill|Read)\w+[: ](?:Read error|failed)|TIFFReadEncoded\w+\(\) failed|IReadBlock failed"
            r"|RasterioIOError: Read (?:or write )?failed"
        ),
        "The file is damaged or incomplete: compare its size and checksum with its source. stage-in does so where the"
        " STAC item has file:checksum or file:size.",
    ),
    ToolFailure(
        words(r"not recognized as (?:being in )?a supported (?:file format|dataset name)"),
        "Look at the file: it may be empty, a page or a Git LFS pointer in place of data, or of a format that this GDAL"
        " does not have (`gdalinfo --formats`).",
    ),
    ToolFailure(
        words(r"Cannot find proj\.db|Open of \S+/proj failed"),
        "Set PROJ_DATA (PROJ_LIB before PROJ 9.1) to the folder of proj.db, in the image or by EnvVarRequirement: a"
        " step does not activate conda, which otherwise sets it.",
    ),
    ToolFailure(
        words(r"cannot cache function|no locator available|is not a writable directory"),
        "Point the cache of the library to a folder that a step may write, by EnvVarRequirement: NUMBA_CACHE_DIR,"
        " MPLCONFIGDIR, XDG_CACHE_HOME to $(runtime.tmpdir).",
    ),
    ToolFailure(
        words(r"Read-only file system"),
        "Let the tool write into its working folder or $TMPDIR; an input that it changes has to be in"
        " InitialWorkDirRequirement with `writable: true`.",
    ),
    ToolFailure(
        words(r"(?:\\r|\r)\W?: (?:No such file|command not found)|\^M: bad interpreter"),
        "A script has line ends of Windows: convert it with dos2unix, and set `*.sh text eol=lf` in .gitattributes.",
        "step.program-not-found",
    ),
    ToolFailure(
        words(r"[Ee]xec format error|cannot execute binary file"),
        "The program is built for another processor (arm64, amd64), or is a script without `#!`: build the image for"
        " the machines that run it (`--platform linux/amd64`).",
        "step.not-started",
    ),
    ToolFailure(
        words(r"\bNo module named '?[\w.]+"),
        "Install the module in the image. If it is there, another Python was started: write the path of the right one"
        " in baseCommand, since a step runs neither the entrypoint of an image nor the activation of conda.",
        "step.program-not-found",
    ),
    ToolFailure(
        words(r"cannot open shared object file|version [`']GLIBC\S+' not found|undefined symbol: "),
        "Install the library in the image, or programs and libraries that were built for the same system.",
        "step.not-started",
    ),
    ToolFailure(
        words(r"Too many open files"),
        "Let the tool close its files, or open fewer at once (GDAL_MAX_DATASET_POOL_SIZE); the operator may raise the"
        " limit of open files (`ulimit -n`).",
    ),
    ToolFailure(
        words(r"\bFile too large$", re.MULTILINE),
        FILE_REMEDY,
        "step.file-limit",
    ),
    ToolFailure(
        words(r"'ascii' codec can't (?:de|en)code"),
        "Set LANG=C.UTF-8 in the image or by EnvVarRequirement.",
    ),
    ToolFailure(
        words(r"unrecognized arguments?: |unrecognized option|No such option:? |(?:invalid|unknown) option"),
        "Compare prefix, position and valueFrom of the inputs with the help of the tool. `|`, `>` and `&&` need"
        " ShellCommandRequirement and `shellQuote: false`; a boolean adds its prefix only.",
    ),
    ToolFailure(
        words(r": \W?(?:\||>|>>|2>|<|&&|;)\W?: No such file"),
        "The shell is not involved: add ShellCommandRequirement, and `shellQuote: false` to the arguments with `|`, `>`"
        " or `&&`; for a file of what the tool prints, `stdout` is enough.",
    ),
    ToolFailure(
        words(r"[Pp]ermission denied"),
        "Let the tool write into its working folder only; a script that is no program needs its interpreter in"
        " baseCommand, such as [bash, script.sh].",
    ),
)
"""In the order in which they are looked for."""
