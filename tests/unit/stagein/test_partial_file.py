"""The file of an unfinished transfer."""

from pathlib import Path

from stagein.download import PartialFile
from stagein.progress import Transfer


def test_more_pieces_than_one_call_takes_are_written_in_their_order(tmp_path: Path) -> None:
    pieces = [str(number).encode() * (number % 3) for number in range(5000)]
    target = tmp_path / "whole.bin"
    partial = PartialFile(Transfer("https://data.example.org/whole.bin", target))
    partial.open()
    partial.write(pieces[2500:], len(b"".join(pieces[:2500])))
    partial.write(pieces[:2500], 0)
    partial.finish()
    assert target.read_bytes() == b"".join(pieces)
