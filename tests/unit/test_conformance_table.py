import pytest

from dev.conformance.table import write_cell

PAGE = """\
before

| suite | `local` | `calrissian` | `argo-native` | `cwltool --no-container` |
| --- | --- | --- | --- | --- |
| v1.1 | 243 of 253 | not run | not run | 242 of 253 |
| v1.2 | 366 of 378 | not run | 40 of 50 | 362 of 378 |

after
"""


def test_a_first_run_of_an_engine_fills_its_cell_alone() -> None:
    written = write_cell(PAGE, "v1.2", "calrissian", 58, 60)
    assert "| v1.2 | 366 of 378 | 58 of 60 | 40 of 50 | 362 of 378 |\n" in written
    assert written.replace("58 of 60", "not run") == PAGE


@pytest.mark.parametrize(("ran", "shown"), [(3, "366 of 378"), (378, "2 of 378")])
def test_a_run_of_fewer_tests_does_not_replace_one_of_more(ran: int, shown: str) -> None:
    assert f"| v1.2 | {shown} | not run |" in write_cell(PAGE, "v1.2", "local", 2, ran)


def test_a_suite_without_a_row_is_named() -> None:
    with pytest.raises(LookupError, match=r"v1\.3"):
        write_cell(PAGE, "v1.3", "local", 1, 1)
