"""Archives that a WorkflowTemplate has left, hostile ones too: what they say of themselves takes no memory."""

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from zoo_runner.engines.argo.results.folder import ResultsFolder
from zoo_runner.engines.argo.template.archive import Budget, UnpackError, unpack

LARGE = 12 << 20
MOST_MEMORY = 6 << 20


def build_header(kind: bytes, size: int, name: str = "map/a") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def build_member(kind: bytes, content: bytes) -> bytes:
    return build_header(kind, len(content)) + content + b"\0" * (-len(content) % tarfile.BLOCKSIZE)


def build_sparse(blocks: int) -> bytes:
    """A sparse file whose map goes on and on."""
    header = bytearray(build_header(tarfile.GNUTYPE_SPARSE, 0))
    header[482] = 1
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + ((b"00000000001\0" * 42)[:504] + b"\1" + b"\0" * 7) * blocks


PLAIN = build_member(tarfile.REGTYPE, b"ok")
PAX = build_member(tarfile.XHDTYPE, b"30 comment=plain header of pax\n")
HOSTILE = {
    "a long pax header": build_member(tarfile.XHDTYPE, b"\0" * LARGE),
    "a pax header with a length beyond the end": build_header(tarfile.XHDTYPE, 8 << 30),
    "a global pax header": build_member(tarfile.XGLTYPE, b"\0" * LARGE),
    "a long name": build_member(tarfile.GNUTYPE_LONGNAME, b"x" * LARGE),
    "headers before headers": PAX * 3000,
    "a map of a sparse file": build_sparse(LARGE // tarfile.BLOCKSIZE),
    "a number with very many digits": build_member(tarfile.XHDTYPE, b"9" * 6000 + b" path=x\n"),
    "the content of what is no file": build_member(tarfile.FIFOTYPE, b"") + build_member(b"Z", b"\0" * LARGE),
}


def unpack_bytes(content: bytes, folder: Path) -> list[str]:
    archive = folder / "artifact.tar"
    archive.write_bytes(content)
    return unpack(archive, ResultsFolder(folder / "out"), Budget(1 << 20))


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_headers_that_take_memory_are_refused_and_take_none(content: bytes, tmp_path: Path) -> None:
    packed = gzip.compress(PLAIN + content + PLAIN)
    tracemalloc.start()
    try:
        with pytest.raises(Exception) as caught:
            unpack_bytes(packed, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert type(caught.value).__name__ in ("UnpackError", "EngineError"), caught.value


@pytest.mark.parametrize("is_packed", [True, False])
def test_a_member_with_headers_of_its_own_is_unpacked(is_packed: bool, tmp_path: Path) -> None:
    content = PAX + PLAIN + b"\0" * 1024
    assert unpack_bytes(gzip.compress(content) if is_packed else content, tmp_path) == ["map"]
    assert (tmp_path / "out" / "map" / "a").read_text() == "ok"


def test_long_names_are_kept(tmp_path: Path) -> None:
    stream = io.BytesIO()
    name = "/".join(["map", *["folder" * 20] * 8, "ü"])
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as packed:
        packed.addfile(tarfile.TarInfo(name))
    assert unpack_bytes(stream.getvalue(), tmp_path) == ["map"]
    assert (tmp_path / "out" / name).exists()


PACKED = gzip.compress(PLAIN + b"\0" * 1024)
DAMAGED = {
    "cut": PACKED[:-9],
    "wrong checksum": PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:],
    "wrong bytes": PACKED[:12] + b"\xff" * 40,
    "cut inside of a file": (build_header(tarfile.REGTYPE, 4096) + b"x" * 700),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnpackError):
        unpack_bytes(content, tmp_path)
