"""The begin of CSV files as tables and charts."""

import pytest

from zoo_runner.server.pages.tables import HEIGHT, WIDTH, build_chart, build_table, read_rows


def test_columns_of_numbers_are_lines_over_the_first_column() -> None:
    chart = build_chart(read_rows("x;a;name\n0;10;p\n1;30;q\n4;20;r\n", is_cut=False))
    assert chart
    (line,) = chart.lines
    assert (chart.axis, chart.start, chart.end) == ("x", "0", "4")
    assert line.points == f"0.0,{HEIGHT}.0 {WIDTH / 4},0.0 {WIDTH}.0,{HEIGHT / 2}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one\n1\n2\n3\n",
        "x,y\n1,2\n",
        "x,y\n3,1\n2,1\n1,1\n",
        "x,y\n1,a\n2,b\n3,c\n",
        "x,y\n1,1\n1,2\n1,3\n",
        "x,y\n1,nan\n2,inf\n3,nan\n",
        "name,y\na,1\nb,2\nc,3\n",
    ],
)
def test_other_tables_have_no_chart(text: str) -> None:
    assert build_chart(read_rows(text, is_cut=False)) is None


def test_a_column_of_one_value_is_a_straight_line() -> None:
    chart = build_chart(read_rows("day,y\n2026-01-01,5\n2026-01-02,5\n2026-01-03T00:00:00Z,5\n", is_cut=False))
    assert chart
    assert {point.split(",")[1] for point in chart.lines[0].points.split()} == {f"{HEIGHT}.0"}


def test_a_table_has_the_first_rows_and_the_line_that_is_cut_is_left_out() -> None:
    text = "a,b\n" + "".join(f"{number},x\n" for number in range(60))
    table = build_table(read_rows(text, is_cut=False), is_cut=False)
    assert table
    assert (len(table.rows), table.is_cut) == (50, True)
    assert read_rows("a,b\n1,2\n3,", is_cut=True) == [["a", "b"], ["1", "2"]]
    assert read_rows('a,b\n1,"' + "x" * 200_000, is_cut=False) == []


def test_rows_of_other_lengths_are_filled_and_cut() -> None:
    table = build_table([["a", "b"], ["1"], ["1", "2", "3"]], is_cut=False)
    assert table
    assert table.rows == (("1", ""), ("1", "2"))
