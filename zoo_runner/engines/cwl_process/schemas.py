"""CWL's schemas as cwltool has parsed them: to parse their YAML takes a third of a second, to read these 0.03 s.

With the schema of these schemas, which is parsed for the first process of each package otherwise: another 0.1 s.

    python -m zoo_runner.engines.cwl_process.schemas     writes them, for an installation that its users cannot write to

They lie beside the bytecode of this package, which Python writes and reads in the same way: whoever may write there may
replace this program in any case.
"""

import importlib.metadata
import pickle
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import cwltool.process
import schema_salad.schema
from schema_salad.ref_resolver import Loader

from zoo_runner.files import write_atomically
from zoo_runner.model.errors import SettingsError

_TYPES = {
    "SCHEMA_ANY": "https://w3id.org/cwl/salad#Any",
    "SCHEMA_FILE": "https://w3id.org/cwl/cwl#File",
    "SCHEMA_DIR": "https://w3id.org/cwl/cwl#Directory",
}
_VERSIONS = ("v1.0", "v1.1", "v1.2")
_FOLDER = Path(__file__).parent / "__pycache__"
_FORM = 3
"""Of what is kept: another one for each change of it, as an upgrade may leave what an earlier release kept."""


def use_schema(cwl_version: str, folder: Path = _FOLDER) -> None:
    """Let cwltool use the schema of a CWL version as it is kept, or parse and keep it.

    The types of inputs come from it too: otherwise cwltool reads the whole schema of v1.0 for them.
    """
    _share(cwl_version, _load(cwl_version, folder))


@cache
def _load(cwl_version: str, folder: Path) -> tuple[Any, ...]:
    """Read a schema, or parse it: once in a process, because cwltool's own cache has only a part of it afterwards."""
    if cwl_version not in _VERSIONS:
        return _parse(cwl_version)
    kept = find_kept(cwl_version, folder)
    # what is missing or damaged is parsed and written again
    with suppress(Exception):
        content: tuple[Any, ...] = pickle.loads(kept.read_bytes())
        return content
    content = _parse(cwl_version)
    if not sys.dont_write_bytecode:
        _keep(kept, content)
    return content


def find_kept(cwl_version: str, folder: Path = _FOLDER) -> Path:
    """Find where the schema of a CWL version is kept, for this Python and these releases of the parsers."""
    releases = [_read_release(name) for name in ("cwltool", "schema_salad")]
    return folder / f"schema-{_FORM}-{'-'.join([cwl_version, *releases])}.{sys.implementation.cache_tag}.pickle"


def _read_release(name: str) -> str:
    """Read the release of an installed parser, as importlib.metadata does: its import takes as long as this module."""
    found = list(Path(cwltool.__file__).parents[1].glob(f"{name}-*.dist-info"))
    return found[0].stem.partition("-")[2] if len(found) == 1 else importlib.metadata.version(name)


def _parse(cwl_version: str) -> tuple[Any, ...]:
    """Let cwltool parse a schema; return what of it a run needs, and what can be pickled."""
    loader, names, metadata, metaschema = cwltool.process.get_schema(cwl_version)
    types = {name: metaschema.idx[uri] for name, uri in _TYPES.items()}
    own_names, document, own_loader = schema_salad.schema.get_metaschema()
    own = own_names, document, own_loader.ctx, own_loader.cache, own_loader.salad_version
    return loader.ctx, names, metadata, types, own


def _keep(kept: Path, content: tuple[Any, ...]) -> None:
    """Write a schema for every user, as Python does with bytecode, where this one may write."""
    with suppress(SettingsError, OSError):
        write_atomically(kept, pickle.dumps(content))
        kept.chmod(0o644)


def _share(cwl_version: str, content: tuple[Any, ...]) -> None:
    context, names, metadata, types, own = content
    _share_metaschema(*own)
    loader = Loader(context)
    cwltool.process.SCHEMA_CACHE[cwl_version] = (loader, names, metadata, loader)
    for name, value in types.items():
        setattr(cwltool.process, name, value)


def _share_metaschema(names: Any, document: Any, context: Any, texts: dict[str, Any], version: str) -> None:
    """Let schema-salad use its own schema as it is kept; of its loader, others use what is given here."""
    if schema_salad.schema.cached_metaschema is None:
        loader = Loader(context, cache=texts, salad_version=version)
        schema_salad.schema.cached_metaschema = names, document, loader


if __name__ == "__main__":
    sys.dont_write_bytecode = False
    for version in _VERSIONS:
        use_schema(version)
