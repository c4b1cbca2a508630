"""The CWL output object of a job whose outputs are at their destination; pure.

Source: CWL v1.2, Command Line Tool Description, 3.2.2 "File" and 3.2.3 "Directory".
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stageout.model import Found, FoundArray, FoundCatalog, FoundData, FoundFile, FoundLiteral
from stageout.names import build_segments
from zoo_staging.names import is_folder_name

GetHref = Callable[[str], str]


def build_outputs(found: Mapping[str, Found], place: str, get_href: GetHref) -> dict[str, Any]:
    """Build the output object; `place` is where the plan puts the outputs, `get_href` gives the address of a key.

    A Directory has no listing, unless it has no files: its location is complete but for the STAC item that describes
    it.
    """
    segments = build_segments(found)
    return {name: _build(value, f"{place}{segments[name]}", get_href) for name, value in found.items()}


def _build(value: Found, place: str, get_href: GetHref) -> Any:
    match value:
        case FoundLiteral():
            return value.value
        case FoundArray():
            return [_build(each, f"{place}/{index}", get_href) for index, each in enumerate(value.values)]
        case FoundCatalog():
            return _build_folder(value.title, place, get_href)
        case FoundData(kind="Directory"):
            # a store or product keeps its name, as where it is read
            below = f"/{value.title}" if is_folder_name(value.title) else ""
            folder = _build_folder(value.title, f"{place}{below}", get_href)
            inside = [name.removeprefix(below[1:]).lstrip("/") for name in value.folders]
            return folder if value.files else {**folder, "listing": _list_empty(inside, f"{place}{below}", get_href)}
        case FoundData():
            main, *others = value.files
            secondary = _build_tree(others, place, get_href)
            return {**_build_file(main, place, get_href), **({"secondaryFiles": secondary} if secondary else {})}
    segments = build_segments(value.fields)
    return {name: _build(each, f"{place}/{segments[name]}", get_href) for name, each in value.fields.items()}


def _build_folder(name: str, place: str, get_href: GetHref) -> dict[str, Any]:
    return {"class": "Directory", "location": get_href(place), "basename": name}


def _list_empty(folders: Iterable[str], place: str, get_href: GetHref) -> list[dict[str, Any]]:
    """List the folders of one that has no files, by their paths in it; an empty path is that folder itself."""
    below: dict[str, list[str]] = {}
    for path in filter(None, folders):
        top, _, rest = path.partition("/")
        below.setdefault(top, []).append(rest)
    return [
        {**_build_folder(top, f"{place}/{top}", get_href), "listing": _list_empty(rest, f"{place}/{top}", get_href)}
        for top, rest in below.items()
    ]


def _build_file(file: FoundFile, place: str, get_href: GetHref) -> dict[str, Any]:
    return {
        "class": "File",
        "location": get_href(f"{place}/{file.name}"),
        "basename": file.name.rpartition("/")[2],
        "size": file.size_bytes,
        **({"format": file.cwl_format} if file.cwl_format else {}),
    }


def _build_tree(files: Iterable[FoundFile], place: str, get_href: GetHref) -> list[dict[str, Any]]:
    """List secondary files; those of one folder are one Directory."""
    tops = {file.name.partition("/")[0]: file for file in files}
    return [
        _build_folder(top, f"{place}/{top}", get_href) if "/" in file.name else _build_file(file, place, get_href)
        for top, file in tops.items()
    ]
