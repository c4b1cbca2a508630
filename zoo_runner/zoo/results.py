"""Translate results and diagnoses into values that a kernel can print and store.

A kernel passes response bodies through printf and into dollar-quoted SQL, so they must not have `%` or `$$`, and no
value may be empty. JSON can escape both; the kernel undoes the escapes only where it prints a document.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from zoo_runner.config.folders import JobPaths
from zoo_runner.config.settings import ResultsForm
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.job import Results
from zoo_runner.model.remedies import Readers, fit_remedy

Entry = dict[str, Any]

LONGEST_MESSAGE = 1500
_BLOCK = 1 << 20
_PERCENTAGE = re.compile(r"(?<=\d) ?%(?!\w)")
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_JSON = "application/json"
# decoded, these would mean something else in a URL
_DELIMITERS = frozenset('#?%/\\&+=;@:"<>')


def build_message(text: str) -> str:
    """Make a text a status message: one line, not empty, of limited length, without `%` and `$$`."""
    line = " ".join(text.split())
    line = _ENCODED.sub(lambda match: _decode(match[0]), line)
    line = _PERCENTAGE.sub(" percent", line).replace("%", "\N{FULLWIDTH PERCENT SIGN}")
    while "$$" in line:
        line = line.replace("$$", "$ $")
    return line[: LONGEST_MESSAGE - 3] + "..." if len(line) > LONGEST_MESSAGE else line or "no message"


def _decode(encoded: str) -> str:
    text = unquote(encoded, errors="replace")
    return text if text.isprintable() and "\N{REPLACEMENT CHARACTER}" not in text else "_"


def build_failure_message(diagnosis: Diagnosis, log_url: str) -> str:
    """Cause and remedy first, then the code and where the log is."""
    where = f" Code: {diagnosis.code}." + (f" Log: {build_message(log_url)}" if log_url else "")
    text = build_message(f"{diagnosis.cause.rstrip('.')}. What to do: {fit_remedy(diagnosis.remedy, Readers.ZOO)}")
    return f"{text[: LONGEST_MESSAGE - len(where)]}{where}"


@dataclass(frozen=True)
class Response:
    """How the kernel will print the outputs of a job: inside a document, or as they are (raw), alone or several.

    `results_href` is the public address of the results document, which has every value exactly.
    """

    document: bool
    alone: bool
    results_href: str


def build_outputs(
    results: Results, outputs: Mapping[str, Entry], form: ResultsForm, response: Response
) -> dict[str, Entry]:
    """Build what to set in each requested output: `value` and, where it is JSON, its media type."""
    wanted = list_wanted(outputs)
    links = [name for name in wanted if _has_link(results.document.get(name))]
    collected = form == "collection" or (form == "auto" and len(links) == 1)
    values = {}
    for name in wanted:
        value = results.document.get(name)
        if name in links and collected:
            value = results.collection
        values[name] = _build_output(value, results, response)
    return values


def list_wanted(outputs: Mapping[str, Entry]) -> list[str]:
    """List the outputs that the client asked for."""
    return [name for name, entry in outputs.items() if entry.get("inRequest") != "false"]


def _has_link(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_link, value))
    return isinstance(value, Mapping) and "href" in value


def _build_output(value: Any, results: Results, response: Response) -> Entry:
    if isinstance(value, str):
        return build_text(value, response)
    if isinstance(value, Mapping | list) or value is None:
        return {"value": build_json(value, results.collection_href, response.document), "mimeType": _JSON}
    return {"value": json.dumps(value)}


def build_text(text: str, response: Response) -> Entry:
    """Build a literal result: the text as it is, where the kernel carries it.

    Elsewhere a raw result is a JSON string with escapes, and in a document a link to the results document takes its
    place. A raw result alone is not printed with printf, so it may have `%`. A text that ends in `$` would end the
    quotes of the kernel's SQL.
    """
    if response.document:
        if text and not _is_unsafe(text):
            return {"value": text}
        link = {"href": response.results_href, "type": _JSON, "title": "Results document with the exact value"}
        return {"value": json.dumps(link), "mimeType": _JSON}
    quoted_well = "$$" not in text and not text.endswith("$")
    if text and quoted_well and (response.alone or "%" not in text):
        return {"value": text}
    return {"value": build_json(text, "", document=False), "mimeType": _JSON}


def build_json(value: Any, collection_href: str, document: bool) -> str:
    """Build a JSON result.

    Inside a document the kernel undoes escapes, so hrefs are written decoded there. Where that would change their
    meaning, the value is a link to the collection.
    """
    if document:
        value = _decoded(value)
        if _is_unsafe(json.dumps(value)):
            value = _decoded({"href": collection_href, "type": _JSON, "title": "Results"})
    return json.dumps(value).replace("%", "\\u0025").replace("$$", "\\u0024\\u0024")


def _is_unsafe(text: str) -> bool:
    return "%" in text or "$$" in text


def _decoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _decoded(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_decoded(member) for member in value]
    return _ENCODED.sub(_decode_harmless, value) if isinstance(value, str) else value


def _decode_harmless(match: re.Match[str]) -> str:
    try:
        text = unquote(match[0], errors="strict")
    except UnicodeDecodeError:
        return match[0]
    return text if text.isprintable() and not _DELIMITERS & set(text) else match[0]


def read_hook_value(handler: Any, entry: Entry, own: Entry, response: Response) -> Entry:
    """Return what a site's handler has made of an output, in a form that the kernel carries; empty where nothing.

    Handlers leave a document in the output (`collection`, `value`) or as their `feature_collection`.
    """
    collected = getattr(handler, "feature_collection", None) if own.get("mimeType") == _JSON else None
    for value in (entry.get("collection"), entry.get("value"), collected):
        if isinstance(value, str) and value.strip():
            try:
                value = json.loads(value)
            except ValueError:
                return build_text(str(value), response)
        if value:
            return {"value": build_json(value, "", response.document)}
    return {}


def ensure_downloadable(folder: Path) -> None:
    """Refuse results that the kernel cannot serve: of its public folder it gives out text in UTF-8 and nothing else.

    Raises `SettingsError`. A folder that is not there is fine: the results are elsewhere.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _is_text(path):
            raise SettingsError(
                f"the result {path.relative_to(folder)} cannot be downloaded: the kernel's public folder, where results"
                " lie, serves text in UTF-8 only",
                "Set STAGEOUT_OUTPUT to a bucket, or to a folder that a web server serves, with its address in"
                " STAGEOUT_PUBLIC_URL.",
                code="settings.results-not-served",
            )


def _is_text(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            while file.read(_BLOCK):
                pass
    except UnicodeDecodeError:
        return False
    return True


def build_service_logs(paths: JobPaths, temp_url: str) -> list[tuple[str, str]]:
    """List links, (URL, title), to the logs of a job that exist: of the job, of each step, and the usage report."""
    links = [(f"{temp_url}/{paths.job_log.name}", "Job log")]
    for path in sorted(paths.log_folder.glob("*.log")):
        links.append((f"{temp_url}/{paths.log_folder.name}/{path.name}", f"Tool log {path.name}"))
    if paths.usage.exists():
        links.append((f"{temp_url}/{paths.log_folder.name}/{paths.usage.name}", "Usage report"))
    return links
