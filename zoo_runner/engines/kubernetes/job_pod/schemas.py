"""cwltool's schemas, parsed once when the job image is built: reading them takes half a second, these a millisecond.

python -m zoo_runner.engines.kubernetes.job_pod.schemas FOLDER     writes them, in the environment that will read them
"""

import pickle
import sys
from pathlib import Path

import cwltool.process

from zoo_runner.engines.cwl_process.loading import SCHEMA_TYPES, read_schema_types, share_schema_types

_FOLDER = Path("/opt/calrissian/schemas")
_VERSIONS = ("v1.0", "v1.1", "v1.2")


def write_schemas(folder: Path) -> None:
    """Write the schema of each CWL version, without the part that cannot be pickled and is not needed to run."""
    folder.mkdir(parents=True, exist_ok=True)
    for version in _VERSIONS:
        loader, names, metadata, metaschema = cwltool.process.get_schema(version)
        types = {name: metaschema.idx[uri] for name, uri in SCHEMA_TYPES.items()}
        (folder / f"{version}.pickle").write_bytes(pickle.dumps((loader, names, metadata, types)))


def use_schema(version: str, folder: Path = _FOLDER) -> None:
    """Let cwltool use the stored schema of this CWL version; without one, cwltool reads its own.

    The three types of inputs come from it too: otherwise cwltool reads the schema of v1.0 for them.
    """
    kept = folder / f"{version}.pickle"
    if not kept.exists():
        share_schema_types(read_schema_types(version))
        return
    loader, names, metadata, types = pickle.loads(kept.read_bytes())
    cwltool.process.SCHEMA_CACHE[version] = (loader, names, metadata, loader)
    share_schema_types(types)


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
