"""Hostile packages by chance: each is made from a seed, so that a finding can be made again.

A package combines what attacks are made of: places outside of its job, odd names, links that tools leave, objects of
files at every place where CWL takes one. None reads a foreign file in a step by itself: steps without container may.
"""

import json
import random
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attacks.hostile import Document

UP = "../" * 20
NAMES = (
    *("o.txt", "d", "link", "x y", "-rf", "*", "[a]", "?", "$(inputs.x)", "${return 1;}", "`id`", "~", "~root", "."),
    *(
        "..",
        "../x",
        "../../x",
        "a/b",
        "a/../../b",
        "/nowhere/x",
        "",
        "a\nb",
        "ä",
        "\u202eb",
        "%2e%2e%2fx",
        "..\\x",
        "a:b",
    ),
    *("cwl.output.json", "run.json", "order.json", "outputs.json", "package.json", ".", "x" * 250, "x" * 300, "a#b"),
    *("a?b", "file:x", "_:x", "{}", "'", '"', "\\", "&", "secret.txt", "inputs", "outputs", "CON", "a\0b", "\ud800"),
)
PLAIN = ("o.txt", "d", "link", "a", "b.dat")
CLASSES = ("File", "File", "File", "Directory", "Directory", "file", "Any")


@dataclass(frozen=True)
class Ground:
    """Where the canaries are: a folder of the machine with `secret.txt`, an address, and a neighbour's scratch."""

    folder: Path
    url: str
    neighbour: Path


def write(text: str, name: str) -> str:
    """A line that writes a file, and never through a link that lies there."""
    return f"printf %s {shlex.quote(text)} > .new; rm -rf ./{shlex.quote(name)}; mv -fT .new ./{shlex.quote(name)}"


def link(target: str, name: str) -> str:
    """A line that puts a link, and never into a folder that another link leads to."""
    return f"ln -sfT {target} {name}"


# a path that is passed as a text, and not as a file, is read by the tool alone
_SHOWN = "$(self && (self.class === 'File' || self.class === 'Directory') ? self.path : 'none')"


class Maker:
    """Makes the package of one seed."""

    def __init__(self, seed: int, ground: Ground) -> None:
        self._random = random.Random(seed)
        self._ground = ground

    def make(self) -> Document:
        """Make a package: a tool, an expression tool, or a workflow of two or three of them."""
        head = {"cwlVersion": self._pick(("v1.2", "v1.2", "v1.2", "v1.1", "v1.0")), "id": "attack"}
        body = self._pick((self._make_tool, self._make_tool, self._make_expression_tool, self._make_workflow))()
        return {**head, **body}

    def _pick(self, choices: Sequence[Any]) -> Any:
        return self._random.choice(choices)

    def _maybe(self, chance: float) -> bool:
        return self._random.random() < chance

    # --- what attacks are made of

    def _make_place(self) -> str:
        """A path or address outside of the job, in one of the forms that programs read."""
        ground = self._ground
        path = str(self._pick((ground.folder / "secret.txt", ground.folder, ground.folder / "below", ground.neighbour)))
        forms: tuple[Callable[[], str], ...] = (
            lambda: path,
            lambda: path,
            lambda: f"file://{path}",
            lambda: f"file://localhost{path}",
            lambda: f"FILE://{path}",
            lambda: f"file:{path}",
            lambda: f"{UP}{path[1:]}",
            lambda: f"./{UP}{path[1:]}",
            lambda: f"d/{UP}{path[1:]}",
            lambda: f"link/../{UP}{path[1:]}",
            lambda: f"file://{path.replace('/', '%2F')}",
            lambda: "".join(f"%{ord(c):02x}" if c in "./" else c for c in path),
            lambda: f"//{path}",
            lambda: f"/proc/self/root{path}",
            lambda: f"/proc/self/cwd/{UP}{path[1:]}",
            lambda: f"/proc/self/fd/0/../..{path}",
            lambda: f"{path}#x",
            lambda: f"{path}?x",
            lambda: f"{path}/",
            lambda: f"{path}/.",
            lambda: f"{path}\0",
            lambda: ground.url,
            lambda: ground.url.replace("http:", ""),
            lambda: ground.url.replace("http", "ftp"),
            lambda: "/proc/self/environ",
            lambda: "link",
            lambda: "link/secret.txt",
            lambda: "d/link",
            lambda: "..",
            lambda: "../..",
            lambda: "",
        )
        return str(self._pick(forms)())

    def _make_name(self) -> str:
        return str(self._pick(NAMES if self._maybe(0.5) else PLAIN))

    def _make_object(self, depth: int = 0) -> Document:
        """A File or Directory with hostile members, nested up to three levels."""
        made: Document = {"class": self._pick(CLASSES)}
        if self._maybe(0.7):
            made[self._pick(("location", "path", "location", "path", "basename"))] = self._make_place()
        else:
            made["contents"] = "x"
        for key, chance, value in (
            ("basename", 0.4, self._make_name),
            ("dirname", 0.15, self._make_place),
            ("nameroot", 0.1, self._make_name),
            ("location", 0.1, self._make_place),
            ("path", 0.1, self._make_place),
            ("format", 0.05, self._make_place),
            ("checksum", 0.05, lambda: "sha1$00"),
            ("size", 0.05, lambda: 5),
        ):
            if self._maybe(chance):
                made[key] = value()
        if depth < 3:
            for key in ("secondaryFiles", "listing"):
                if self._maybe(0.3):
                    made[key] = [self._make_object(depth + 1) for _ in range(self._random.randint(0, 2))]
        return made

    def _make_value(self) -> Any:
        """A value for an output or input: mostly a file, or a list or record of files."""
        return self._pick(
            (
                self._make_object,
                self._make_object,
                lambda: [self._make_object(2), self._make_object(2)],
                lambda: {"f": self._make_object(2)},
                self._make_place,
                lambda: {"$include": self._make_place()},
                lambda: {"$import": self._make_place()},
                lambda: None,
            )
        )()

    def _make_js(self) -> str:
        return f"${{ return {json.dumps(self._make_value())}; }}"

    def _make_text(self) -> str:
        """A text that is a place, a name, or an expression of one."""
        text = self._make_place() if self._maybe(0.6) else self._make_name()
        if self._maybe(0.3):
            return f"$({json.dumps(text)})"
        return f"$(runtime.outdir)/{text}" if self._maybe(0.1) else text

    # --- processes

    def _make_line(self) -> str:
        """A line of a tool's script, which leaves files, folders and links, but reads nothing outside."""
        target, name = shlex.quote(self._make_place().replace("\0", "")), self._pick(PLAIN)
        lines = (
            write("x", name),
            write("x", self._make_plain_name()),
            f"rm -rf {name}; mkdir {name}",
            link(target, name),
            link(target, "link"),
            f"rm -rf d; mkdir d; {link(target, 'd/link')}",
            f"{link(target, 'a')}; {link('a', 'link')}",
            f"{link('link', 'a')}; {link('a', 'link')}",
            link(target, "cwl.output.json"),
            "mkfifo o.txt",
            "cat > .read; mv -fT .read o.txt",
            link("/dev/zero", "o.txt"),
            write(json.dumps({"o": self._make_value()}), "cwl.output.json"),
            write(json.dumps({"o": self._make_object()}), "cwl.output.json"),
            f"rm -rf d; mkdir -p d/e; {link('../..', 'd/e/link')}",
            f"rm -rf d; {link('/', 'd')}",
        )
        return str(self._pick(lines))

    def _make_plain_name(self) -> str:
        """A name, however odd, of a file in the folder of the tool: what a tool itself writes is no finding."""
        name = self._make_name().replace("\0", "").encode("utf-8", "replace").decode()
        return name if name not in ("", ".", "..") and "/" not in name else "o.txt"

    def _make_binding(self) -> Document:
        glob: Any = self._make_text() if self._maybe(0.7) else self._pick(PLAIN)
        binding: Document = {"glob": [glob, self._make_text()] if self._maybe(0.1) else glob}
        if self._maybe(0.2):
            binding["loadContents"] = True
        if self._maybe(0.2):
            binding["loadListing"] = self._pick(("shallow_listing", "deep_listing", "no_listing"))
        if self._maybe(0.25):
            binding["outputEval"] = self._pick((self._make_js(), "$(self[0].contents)", "$(self)", "$(self[0])"))
        return binding

    def _make_outputs(self) -> Document:
        kind = self._pick(("File", "Directory", "File[]", "Directory[]", "string", "Any", "File?", "Directory?"))
        made: Document = {"type": kind}
        if self._maybe(0.85):
            made["outputBinding"] = self._make_binding()
        if self._maybe(0.2):
            made["secondaryFiles"] = [self._pick((self._make_text(), self._make_js(), ".idx", "^.link"))]
        return {"o": made}

    def _make_inputs(self) -> Document:
        made: Document = {"type": self._pick(("File", "Directory", "File[]", "Any", "string", "File?"))}
        if self._maybe(0.8):
            made["default"] = self._make_value()
        if self._maybe(0.3):
            made["inputBinding"] = {"position": 1, "loadContents": self._maybe(0.5)}
        if self._maybe(0.2):
            made["secondaryFiles"] = [self._make_text()]
        if self._maybe(0.2):
            made["loadContents"] = True
        return {"x": made}

    def _make_requirements(self) -> list[Document]:
        made: list[Document] = [{"class": "InlineJavascriptRequirement"}]
        if self._maybe(0.08):
            made[0]["expressionLib"] = [{"$include": self._make_place()}]
        if self._maybe(0.4):
            made.append({"class": "InitialWorkDirRequirement", "listing": self._make_listing()})
        if self._maybe(0.1):
            made.append({"class": "InplaceUpdateRequirement", "inplaceUpdate": True})
        if self._maybe(0.1):
            made.append({"class": "EnvVarRequirement", "envDef": {"HOME": self._make_text(), "PATH": "/bin"}})
        if self._maybe(0.1):
            made.append({"class": "LoadListingRequirement", "loadListing": "deep_listing"})
        return made

    def _make_listing(self) -> Any:
        if self._maybe(0.2):
            return f"${{ return {json.dumps([self._make_object()])}; }}"
        return [self._make_entry() for _ in range(self._random.randint(1, 3))]

    def _make_entry(self) -> Any:
        if self._maybe(0.3):
            return self._pick((self._make_object(), self._make_js(), "$(inputs.x)"))
        entry: Document = {"entry": self._pick(("forged", self._make_js(), "$(inputs.x)", {"$include": "x"}))}
        if self._maybe(0.8):
            entry["entryname"] = self._make_text()
        if self._maybe(0.5):
            entry["writable"] = self._maybe(0.5)
        return entry

    def _make_tool(self) -> Document:
        script = "; ".join(self._make_line() for _ in range(self._random.randint(1, 3)))
        made: Document = {
            "class": "CommandLineTool",
            "baseCommand": ["sh", "-c"],
            # what is in the script is no expression
            "arguments": [{"valueFrom": script.replace("$", "\\$"), "position": 0}],
            "requirements": self._make_requirements(),
            "inputs": self._make_inputs() if self._maybe(0.5) else {},
            "outputs": self._make_outputs(),
        }
        for key, chance in (("stdout", 0.15), ("stderr", 0.1), ("stdin", 0.1)):
            if self._maybe(chance):
                made[key] = self._make_text()
        return made

    def _make_expression_tool(self) -> Document:
        return {
            "class": "ExpressionTool",
            "requirements": [{"class": "InlineJavascriptRequirement"}],
            "inputs": self._make_inputs() if self._maybe(0.3) else {},
            "outputs": {"o": self._pick(("File", "Directory", "File[]", "Any"))},
            "expression": f"${{ return {{'o': {json.dumps(self._make_value())}}}; }}",
        }

    def _make_workflow(self) -> Document:
        first = self._pick((self._make_tool, self._make_expression_tool))()
        shown: Document = {
            "class": "CommandLineTool",
            "baseCommand": ["sh", "-c", 'cp -rL "$0" shown'],
            "requirements": self._make_requirements(),
            "inputs": {"x": {"type": "Any", "inputBinding": {"position": 1, "valueFrom": _SHOWN}}},
            "outputs": self._make_outputs(),
        }
        given: Document = {"source": "first/o"}
        if self._maybe(0.4):
            given = {"source": "first/o", "valueFrom": self._make_js()}
        elif self._maybe(0.2):
            given = {"default": self._make_value()}
        if self._maybe(0.2):
            given["loadContents"] = True
        source = self._pick(("last/o", "last/o", "first/o"))
        return {
            "class": "Workflow",
            "requirements": [
                {"class": "InlineJavascriptRequirement"},
                {"class": "StepInputExpressionRequirement"},
                {"class": "MultipleInputFeatureRequirement"},
            ],
            "inputs": {},
            "outputs": {"o": {"type": "Any", "outputSource": source}},
            "steps": {
                "first": {"run": first, "in": {}, "out": ["o"]},
                "last": {"run": shown, "in": {"x": given}, "out": ["o"]},
            },
        }
