import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_staging.names import fix_part, read_disposition, safe_name, unique_name

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


@given(st.text())
def test_a_part_of_a_path_is_one_plain_name(text: str) -> None:
    name = fix_part(text)
    assert name not in ("", ".", "..")
    assert not {"/", "\0", "\n"} & set(name)
    assert len(name.encode()) <= 255
    assert fix_part(name) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename*=UTF-8''%e4%b8%ad%20(1).tif", "中 (1).tif"),
        ('attachment; filename="../../etc/passwd.tif"', "passwd.tif"),
        ('attachment; filename="C:\\\\data\\\\a.tif"', "a.tif"),
        ('attachment; filename="-rf"', "rf"),
        ('attachment; filename=".bashrc"', "bashrc"),
        ("attachment; filename*=UTF-8''a%0Ab%00.tif", "a_b_.tif"),
        ('attachment; filename=".."', ""),
        ("inline", ""),
        ("", ""),
    ],
)
def test_the_name_that_a_server_gives_keeps_its_characters_and_is_plain(header: str, name: str) -> None:
    assert read_disposition(header) == name
