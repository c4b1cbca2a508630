"""The service that a ZOO kernel renders for each process: where its template is, and a copy of it to publish.

`files` is the folder `template` of the repository, by a link, so that source tree, wheel and sdist have it.
"""

import shutil
from pathlib import Path

TEMPLATE = Path(__file__).parent / "files"
"""The folder that cookiecutter renders."""


def write_template(folder: Path) -> list[Path]:
    """Write the template into a new or empty folder; return its files, relative to that folder.

    Raises `FileExistsError` where the folder has files already, `OSError` where it cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
