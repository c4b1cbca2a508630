import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_staging.names import safe_name, unique_name

pytestmark = pytest.mark.unit


@given(st.text())
def test_any_text_becomes_one_plain_file_name(text: str) -> None:
    name = safe_name(text)
    assert name
    assert "/" not in name
    assert "\\" not in name
    assert "\0" not in name
    assert name[0] not in ".-"
    assert len(name.encode()) <= 180


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("B02.tif", "B02.tif"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("-rf", "rf"),
        (".bashrc", "bashrc"),
        ("a b.tif", "a_b.tif"),
    ],
)
def test_names_stay_readable(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_long_name_is_cut_with_a_digest_and_keeps_its_suffix() -> None:
    first, second = safe_name("x" * 400 + ".tif"), safe_name("x" * 401 + ".tif")
    assert first != second
    assert first.endswith(".tif")


def test_a_taken_name_gets_a_number_whatever_its_case() -> None:
    taken: set[str] = set()
    assert [unique_name(name, taken) for name in ("B02.tif", "b02.TIF", "B02.tif")] == [
        "B02.tif",
        "b02-2.TIF",
        "B02-3.tif",
    ]
