"""The texts of a job that lists are searched for, in lower case; pure.

They lie in an index: an entry of one of PostgreSQL has at most 2,704 bytes, so both are cut by bytes.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from zoo_runner.model.job import Job
from zoo_runner.model.portable import make_text_portable

LONGEST_SEARCH_TEXT, LONGEST_INPUT_TEXT = 600, 400
"""Bytes in UTF-8 of both texts."""
LONGEST_CALLER = 255
_LONGEST_VALUE, _MOST_VALUES = 200, 100


def write_search_text(job: Job) -> str:
    """Return what the status of a job says of it in words: ids, title, and why it ended or what it does."""
    diagnosis = job.outcome.diagnosis if job.outcome else None
    words = [job.id, job.process_id, job.title or ""]
    words += [diagnosis.code, diagnosis.step or "", diagnosis.cause] if diagnosis else [job.message or ""]
    return cut_text("\n".join(word[:LONGEST_SEARCH_TEXT] for word in words if word), LONGEST_SEARCH_TEXT)


def write_input_text(job: Job) -> str:
    """Return the plain values of the inputs of a job, and the places of files; none of a secret one is stored."""
    values = islice(_list_values(job.inputs), _MOST_VALUES)
    return cut_text("\n".join(value[:_LONGEST_VALUE] for value in values), LONGEST_INPUT_TEXT)


def _list_values(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, member in node.items():
            if name != "class":
                yield from _list_values(member)
    elif isinstance(node, list | tuple):
        for member in node:
            yield from _list_values(member)
    elif isinstance(node, str) or (isinstance(node, int | float) and not isinstance(node, bool)):
        yield str(node)


def cut_text(text: str, most_bytes: int) -> str:
    """Return a text in lower case that every store can hold, and of which no character is cut in the middle."""
    return make_text_portable(text.lower()).encode()[:most_bytes].decode("utf-8", "ignore")


def find_caller(job: Job) -> str:
    """Return who asked for a job, short enough for every store; empty where that is not known."""
    return cut_caller(job.caller or "")


def cut_caller(name: str) -> str:
    """Return a name as it is kept beside jobs."""
    return make_text_portable(name).encode()[:LONGEST_CALLER].decode("utf-8", "ignore")
