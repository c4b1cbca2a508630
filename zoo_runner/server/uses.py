"""Which inputs of the deployed processes take a file: what came of one process goes into the next."""

from collections.abc import Iterator

from zoo_runner.inputs.formats import media_type_of
from zoo_runner.model.process import Process
from zoo_runner.package.cwltypes import (
    Array,
    CwlType,
    DirectoryType,
    FileType,
    Parameter,
    list_options,
    parse_parameters,
)
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import InputUse, InputUses
from zoo_runner.server.processes import find_processes

STAC_TYPES = ("application/geo+json", "application/json")
"""Media types of STAC documents, which a Directory is named by."""
_MOST_PROCESSES = 200


def list_uses(api: Api, call: Call, href: str, media_type: str) -> InputUses:
    """List the inputs that take a file of a media type; empty: of any. Those that name it come before others."""
    found = [
        (not names_it, _describe(process, parameter, call))
        for process in find_processes(api, call, _MOST_PROCESSES, None).processes
        for parameter, names_it in _list_fitting(api, process, media_type)
    ]
    found.sort(key=lambda one: one[0])
    uses: InputUses = {
        "href": href,
        "uses": [use for _, use in found],
        "links": [{"href": call.link("uses"), "rel": "self", "type": "application/json"}],
    }
    return {**uses, "type": media_type} if media_type else uses


def _list_fitting(api: Api, process: Process, media_type: str) -> Iterator[tuple[Parameter, bool]]:
    for parameter in parse_parameters(api.store.processes.load_package(process.package)):
        fits, names_it = judge_input(parameter, media_type)
        if fits:
            yield parameter, names_it


def judge_input(parameter: Parameter, media_type: str) -> tuple[bool, bool]:
    """Find out whether an input takes a file of a media type (empty: any), and whether it names it as its format."""
    kinds = set(map(type, _list_values(parameter.type)))
    if FileType not in kinds:
        is_stac = DirectoryType in kinds and media_type in STAC_TYPES
        return is_stac or (DirectoryType in kinds and not media_type), is_stac
    known = {found for one in parameter.formats if (found := media_type_of(one))}
    if not known or len(known) < len(parameter.formats):
        # of a format that is none of IANA or EDAM nothing is known
        return True, media_type in known
    return media_type in known or not media_type, media_type in known


def _list_values(wanted: CwlType) -> Iterator[CwlType]:
    """List what one value of an input may be, in lists too; records, which have links inside, are none of it."""
    for option in list_options(wanted):
        if isinstance(option, Array):
            yield from _list_values(option.items)
        else:
            yield option


def _describe(process: Process, parameter: Parameter, call: Call) -> InputUse:
    href = call.link("processes", process.id)
    use: InputUse = {
        "processID": process.id,
        "input": parameter.name,
        "links": [{"href": href, "rel": "up", "type": "application/json", "title": "The process"}],
    }
    if title := process.description.get("title"):
        use["title"] = str(title)
    return {**use, "inputTitle": parameter.label} if parameter.label else use
