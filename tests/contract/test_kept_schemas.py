"""The CWL schemas that a launcher keeps beside its bytecode."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

PROGRAM = """
import json, sys, time
from pathlib import Path
from zoo_runner.engines.cwl_process.schemas import find_kept, use_schema
import cwltool.process
folder, version = Path(sys.argv[1]), sys.argv[2]
parsed = []
real = cwltool.process.load_schema
cwltool.process.load_schema = lambda *words, **more: parsed.append(words) or real(*words, **more)
use_schema(version, folder)
loader, names, metadata = cwltool.process.get_schema(version)[:3]
print(json.dumps({
    "parsed": len(parsed), "names": sorted(names.names), "context": sorted(loader.ctx), "graph": len(loader.graph),
    "file": cwltool.process.SCHEMA_FILE["name"], "kept": find_kept("v1.2", folder).name,
}))
"""

PROCESSES = """
import json, sys
from pathlib import Path
from ruamel.yaml import YAML
from zoo_runner.engines.cwl_process.schemas import use_schema
import cwltool.process
from cwltool.process import get_schema
from schema_salad.ref_resolver import Loader
from schema_salad.schema import make_avro_schema
parsed = []
real = YAML.load
YAML.load = lambda self, text: parsed.append(text) or real(self, text)
use_schema("v1.2", Path(sys.argv[1]))
types = [cwltool.process.SCHEMA_FILE, cwltool.process.SCHEMA_DIR, cwltool.process.SCHEMA_ANY]
# as cwltool does for each process of a package
process = make_avro_schema(types, Loader({}))
before = len(parsed)
loader, names, metadata, metaschema = get_schema("v1.1")
print(json.dumps({
    "parsed": before, "process": {name: one.props for name, one in process.names.items()},
    "another": {name: one.props for name, one in names.names.items()}, "context": loader.ctx, "metadata": metadata,
    "vocabulary": metaschema.vocab, "known": sorted(metaschema.idx),
}, default=lambda value: getattr(value, "props", str(type(value)))))
"""


def use(folder: Path, version: str = "v1.2", program: str = PROGRAM) -> dict[str, object]:
    """Use a schema in a process of its own; what it then knows."""
    # without the environment, which may forbid to write bytecode
    command = [sys.executable, "-I", "-c", program, str(folder), version]
    done = subprocess.run(command, capture_output=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v1.2"])
def test_a_schema_that_was_kept_is_the_one_that_was_parsed(tmp_path: Path, version: str) -> None:
    first, second = use(tmp_path, version), use(tmp_path, version)
    assert (first.pop("parsed"), second.pop("parsed")) == (1, 0)
    assert first == second
    assert first["file"] == "https://w3id.org/cwl/cwl#File"


def test_the_schema_of_schemas_is_kept_too_and_the_one_that_was_parsed(tmp_path: Path) -> None:
    first, second = use(tmp_path, program=PROCESSES), use(tmp_path, program=PROCESSES)
    assert first.pop("parsed") != 0
    assert second.pop("parsed") == 0
    assert first == second
    assert "org.w3id.cwl.cwl.File" in str(first["process"])


def test_a_damaged_schema_is_parsed_and_written_again(tmp_path: Path) -> None:
    kept = tmp_path / str(use(tmp_path)["kept"])
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    assert use(tmp_path)["parsed"] == 1
    assert use(tmp_path)["parsed"] == 0


def test_every_user_may_read_what_one_has_kept(tmp_path: Path) -> None:
    kept = tmp_path / str(use(tmp_path)["kept"])
    assert kept.stat().st_mode & 0o777 == 0o644


def test_a_folder_that_cannot_be_written_to_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert use(tmp_path / "file")["parsed"] == 1


def test_only_versions_of_cwl_are_looked_for(tmp_path: Path) -> None:
    """A package must not choose the path of a file that is read as a pickle."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), "x/../elsewhere/v1.2"], capture_output=True, check=False
    )
    assert done.returncode != 0
    assert list(elsewhere.iterdir()) == []
