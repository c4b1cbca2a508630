"""Which inputs of the deployed processes take a file: what came of one process goes into the next."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from zoo_runner.inputs.formats import media_type_of
from zoo_runner.model.problems import format_pointer
from zoo_runner.model.process import Process
from zoo_runner.package.cwltypes import (
    Array,
    CwlType,
    DirectoryType,
    FileType,
    Parameter,
    Record,
    list_options,
    parse_parameters,
)
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import InputUse, InputUses
from zoo_runner.server.processes import find_processes

STAC_TYPES = ("application/geo+json", "application/json")
"""Media types of STAC documents, which a Directory is named by."""
_MOST_PROCESSES = 200
# of one input, whose records may have records
_MOST_PLACES = 50


@dataclass(frozen=True)
class Place:
    """Where an input takes files: `path` are members of records, and 0 for the first item of a list of records.

    `kinds` are the types of one value there, `formats` the formats of its files.
    """

    path: tuple[str | int, ...]
    kinds: frozenset[type]
    formats: tuple[str, ...] = ()


def list_uses(api: Api, call: Call, href: str, media_type: str) -> InputUses:
    """List the inputs that take a file of a media type; empty: of any. Those that name it come before others."""
    found = [
        (not names_it, _describe(process, parameter, place, href, call))
        for process in find_processes(api, call, _MOST_PROCESSES, None).processes
        for parameter, place, names_it in _list_fitting(api, process, media_type)
    ]
    found.sort(key=lambda one: one[0])
    uses: InputUses = {
        "href": href,
        "uses": [use for _, use in found],
        "links": [{"href": call.link("uses"), "rel": "self", "type": "application/json"}],
    }
    return {**uses, "type": media_type} if media_type else uses


def _list_fitting(api: Api, process: Process, media_type: str) -> Iterator[tuple[Parameter, Place, bool]]:
    for parameter in parse_parameters(api.store.processes.load_package(process.package)):
        for place in list_places(parameter):
            fits, names_it = judge_place(place, media_type)
            if fits:
                yield parameter, place, names_it


def list_places(parameter: Parameter) -> list[Place]:
    """List where an input has values that may be files: itself, and the members of its records, in lists too."""
    found: dict[tuple[str | int, ...], Place] = {}
    # named types may be used so often in one another that there is no end of places
    for place in islice(_find_places((), parameter.type, parameter.formats), _MOST_PLACES):
        # records of a union may have a member in common
        found.setdefault(place.path, place)
    return list(found.values())


def judge_place(place: Place, media_type: str) -> tuple[bool, bool]:
    """Find out whether a place takes a file of a media type (empty: any), and whether it names it as its format."""
    if FileType not in place.kinds:
        is_stac = DirectoryType in place.kinds and media_type in STAC_TYPES
        return is_stac or (DirectoryType in place.kinds and not media_type), is_stac
    known = {found for one in place.formats if (found := media_type_of(one))}
    if not known or len(known) < len(place.formats):
        # of a format that is none of IANA or EDAM nothing is known
        return True, media_type in known
    return media_type in known or not media_type, media_type in known


def _find_places(path: tuple[str | int, ...], wanted: CwlType, formats: tuple[str, ...]) -> Iterator[Place]:
    yield Place(path, frozenset(map(type, _list_values(wanted))), formats)
    for inner, record in _list_records(path, wanted):
        for field in record.fields:
            yield from _find_places((*inner, field.name), field.type, field.formats)


def _list_values(wanted: CwlType) -> Iterator[CwlType]:
    """List what one value of an input may be, in lists too."""
    for option in list_options(wanted):
        if isinstance(option, Array):
            yield from _list_values(option.items)
        else:
            yield option


def _list_records(path: tuple[str | int, ...], wanted: CwlType) -> Iterator[tuple[tuple[str | int, ...], Record]]:
    """List the records that a value may be, or an item of it, with their places."""
    for option in list_options(wanted):
        if isinstance(option, Array):
            yield from _list_records((*path, 0), option.items)
        elif isinstance(option, Record):
            yield path, option


def fill_place(path: tuple[str | int, ...], value: Any) -> Any:
    """Build the value of an input that has another value at a place of it, and nothing else."""
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


def _describe(process: Process, parameter: Parameter, place: Place, href: str, call: Call) -> InputUse:
    use: InputUse = {
        "processID": process.id,
        "input": parameter.name,
        "inputs": {parameter.name: fill_place(place.path, {"href": href})},
        "links": [
            {
                "href": call.link("processes", process.id),
                "rel": "up",
                "type": "application/json",
                "title": "The process",
            }
        ],
    }
    if place.path:
        use["pointer"] = format_pointer(place.path)
    if title := process.description.get("title"):
        use["title"] = str(title)
    return {**use, "inputTitle": parameter.label} if parameter.label else use
