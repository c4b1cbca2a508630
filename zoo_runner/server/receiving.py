"""Writes the files of a form (RFC 7578) to disk while they arrive, so that none of them has to fit into memory.

Boundaries have at most 70 characters (RFC 2046, section 5.1.1).
"""

import mimetypes
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.model.upload import UploadedFile
from zoo_runner.server.deploying import MULTIPART_FORM, is_plain_path
from zoo_runner.server.invalid_requests import build_invalid

_MOST_FILES = 200
_LONGEST_BOUNDARY = 70
_LINGER_BYTES = 8 << 20
_REMEDY = "Send a multipart/form-data body, each file as a part with a file name."


async def receive_files(request: Request, folder: Path, most_bytes: float) -> tuple[UploadedFile, ...]:
    """Write the files of a request into a folder; raises `InputError`, and `EngineError` where the disk fails.

    What is refused may have been written in part: the caller removes the folder.
    """
    chunks = request.stream()
    try:
        if int(request.headers.get("content-length", "0")) > most_bytes:
            raise _build_too_large(most_bytes)
        return await _receive(chunks, _Receiver(folder, _read_boundary(request)), most_bytes)
    except InputError:
        await discard(chunks)
        raise


def read_size(request: Request, most_bytes: int) -> int:
    """Return how many bytes of a request may arrive; `most_bytes` where it does not say, or says more."""
    if "transfer-encoding" in request.headers:
        return most_bytes
    return min(int(request.headers.get("content-length", "0")), most_bytes)


async def _receive(chunks: AsyncIterator[bytes], receiver: "_Receiver", most_bytes: float) -> tuple[UploadedFile, ...]:
    size = 0
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > most_bytes:
                raise _build_too_large(most_bytes)
            await run_in_threadpool(receiver.write, chunk)
        return receiver.finish()
    finally:
        receiver.close()


async def discard(chunks: AsyncIterator[bytes]) -> None:
    """Read what is left of a body that is refused, unless it is much: many clients read no answer before."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > _LINGER_BYTES:
            return


class _Receiver:
    """Takes a form in pieces; parts without a file name are passed over."""

    def __init__(self, folder: Path, boundary: bytes) -> None:
        self._folder, self._part = folder, _Part()
        self._files: dict[str, UploadedFile] = {}
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._add_to_name,
                "on_header_value": self._add_to_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._open,
                "on_part_data": self._add_data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise build_invalid(f"the form cannot be read: {error}", _REMEDY) from error
        except OSError as error:
            raise EngineError(
                f"the files cannot be stored: {error.strerror or error}",
                "Ask the operator to look at the disk.",
                code="disk.failed",
            ) from error

    def finish(self) -> tuple[UploadedFile, ...]:
        """Return what was received; raises `InputError` where the form is incomplete or has no file."""
        if not self._ended:
            raise build_invalid("the form ends before its last boundary", _REMEDY)
        if not self._files:
            raise build_invalid("the form has no part with a file name", _REMEDY)
        return tuple(self._files.values())

    def close(self) -> None:
        """Close the file that was not received as a whole."""
        if self._part.file:
            self._part.file.close()

    def _begin(self) -> None:
        self._part = _Part()

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._part.name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]

    def _end_header(self) -> None:
        self._part.headers[bytes(self._part.name).lower()] = bytes(self._part.value)
        self._part.name, self._part.value = bytearray(), bytearray()

    def _open(self) -> None:
        _, options = parse_options_header(self._part.headers.get(b"content-disposition"))
        if b"filename" not in options:
            return
        name = options[b"filename"].decode(errors="replace")
        path = self._choose_place(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._part.path, self._part.file = name, path.open("xb")

    def _choose_place(self, name: str) -> Path:
        if len(self._files) == _MOST_FILES:
            raise build_invalid(f"the form has more than {_MOST_FILES} files", _REMEDY)
        # a name must not be that of a folder which another name needs
        whole, others = f"{name}/", [f"{other}/" for other in self._files]
        if not is_plain_path(name) or any(whole.startswith(other) or other.startswith(whole) for other in others):
            raise build_invalid(
                f"{name[:200]!r} is not the name of one file",
                "Give each file a name of its own, such as scene.tif or bands/red.tif, of letters, digits and .+@_-",
            )
        return self._folder / name

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.file:
            self._part.file.write(memoryview(data)[start:end])
            self._part.size += end - start

    def _end(self) -> None:
        part = self._part
        if part.file and part.path:
            part.file.close()
            given = part.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip()
            media_type = given or mimetypes.guess_type(part.path)[0] or "application/octet-stream"
            self._files[part.path] = UploadedFile(part.path, media_type, part.size)

    def _finish(self) -> None:
        self._ended = True


@dataclass
class _Part:
    """The part that arrives."""

    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    path: str | None = None
    file: BinaryIO | None = None
    size: int = 0


def _read_boundary(request: Request) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type.decode("latin-1") != MULTIPART_FORM:
        raise InputError(
            f"the body is {media_type.decode('latin-1') or 'of no declared type'}", _REMEDY, code="request.media-type"
        )
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise build_invalid("the header Content-Type has no boundary, or one that is too long", _REMEDY)
    return boundary


def _build_too_large(most_bytes: float) -> InputError:
    return InputError(
        f"the files are larger than {most_bytes / 2**20:g} MiB",
        "Send them in several requests, or refer to large data by href.",
        code="request.too-large",
    )
