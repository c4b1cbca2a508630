"""Numbers on the command lines of measurements."""

from argparse import ArgumentParser

import pytest

from bench.options import whole


def read(text: str) -> int:
    parser = ArgumentParser()
    parser.add_argument("--jobs", type=whole(1, 300))
    return int(parser.parse_args(["--jobs", text]).jobs)


@pytest.mark.parametrize("number", [1, 150, 300])
def test_a_number_in_the_range_is_read(number: int) -> None:
    assert read(str(number)) == number


@pytest.mark.parametrize("text", ["0", "-3", "301", "1.5", "many"])
def test_any_other_is_refused_with_the_range(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read(text)
    assert caught.value.code == 2
    assert "from 1 to 300" in capsys.readouterr().err
