"""The begin of CSV files as tables and charts."""

import pytest

from zoo_runner.server.pages.tables import BY_ROW, HEIGHT, WIDTH, Axes, build_chart, build_table, read_axes, read_rows


def test_columns_of_numbers_are_lines_over_the_first_column() -> None:
    chart = build_chart(read_rows("x;a;name\n0;10;p\n1;30;q\n4;20;r\n", is_cut=False))
    assert chart
    (line,) = chart.lines
    assert (chart.axis, chart.start, chart.end) == ("x", "0", "4")
    assert line.parts == (f"0.0,{HEIGHT}.0 {WIDTH / 4},0.0 {WIDTH}.0,{HEIGHT / 2}",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one\n1\n2\n3\n",
        "x,y\n1,2\n",
        "x,y\na,\nb,1\nc,2\n",
        "day,y\n2026-01-01,a\n2026-01-02,b\n2026-01-03,c\n",
    ],
)
def test_a_table_without_numbers_has_no_chart(text: str) -> None:
    assert build_chart(read_rows(text, is_cut=False)) is None


@pytest.mark.parametrize(
    ("text", "axes", "columns"),
    [
        ("x,y\n3,1\n2,1\n1,1\n", ["x", "y", "Row"], ["x", "y"]),
        ("x,y\n1,a\n2,b\n3,c\n", ["x", "Row"], ["x"]),
        ("x,y\n1,1\n1,2\n1,1\n", ["x", "y", "Row"], ["x", "y"]),
        ("x,y\n1,nan\n2,inf\n3,nan\n", ["x", "Row"], ["x"]),
        ("name,y\na,3\nb,2\nc,3\n", ["y", "Row"], ["y"]),
    ],
)
def test_where_no_column_is_in_order_a_chart_can_be_chosen(text: str, axes: list[str], columns: list[str]) -> None:
    chart = build_chart(read_rows(text, is_cut=False))
    assert chart
    assert chart.lines == ()
    assert ([one.name for one in chart.axes], [one.name for one in chart.columns]) == (axes, columns)
    by_row = build_chart(read_rows(text, is_cut=False), Axes(BY_ROW))
    assert by_row
    assert (by_row.axis, by_row.start, by_row.end) == ("Row", "1", "3")
    assert [line.name for line in by_row.lines] == columns


def test_dates_in_any_column_and_order_are_the_axis_where_nothing_is_asked() -> None:
    chart = build_chart(read_rows("flow,day\n1,2026-01-03\n2,2026-01-02\n3,\n4,2026-01-01\n", is_cut=False))
    assert chart
    assert (chart.axis, chart.start, chart.end, chart.missing) == ("day", "2026-01-01", "2026-01-03", 1)
    assert [line.name for line in chart.lines] == ["flow"]


MISSING = "name,day,a,b\np,2026-01-03,1,\nq,2026-01-01,2,5\nr,,3,6\ns,2026-01-02,,7\nt,2026-01-05T12:00:00Z,4,8\n"


def test_a_chosen_axis_is_sorted_and_gaps_are_left_where_values_are_missing() -> None:
    rows = read_rows(MISSING, is_cut=False)
    chart = build_chart(rows, Axes(1, (2, 3)))
    assert chart
    assert (chart.axis, chart.start, chart.end, chart.missing) == ("day", "2026-01-01", "2026-01-05T12:00:00Z", 1)
    a, b = chart.lines
    assert (a.name, a.least, a.most, b.name, b.least, b.most) == ("a", "1", "4", "b", "5", "8")
    # a has no value on the second day of four and a half, b none on the third
    first, third, end = f"0.0,{HEIGHT * 2 / 3:.1f}", f"{WIDTH * 2 / 4.5:.1f},{HEIGHT:.1f}", f"{WIDTH:.1f},0.0"
    assert a.parts == (f"{first} {first}", f"{third} {end}")
    second = f"{WIDTH / 4.5:.1f},{HEIGHT / 3:.1f}"
    assert b.parts == (f"0.0,{HEIGHT:.1f} {second}", f"{end} {end}")
    assert [(one.number, one.name, one.is_chosen) for one in chart.axes] == [
        (1, "day", True),
        (2, "a", False),
        (3, "b", False),
        (BY_ROW, "Row", False),
    ]
    assert [(one.name, one.is_chosen) for one in chart.columns] == [("a", True), ("b", True)]


def test_columns_that_there_are_not_are_not_drawn() -> None:
    rows = read_rows("x,y,z\n1,5,a\n2,6,b\n3,7,c\n", is_cut=False)
    usual = build_chart(rows)
    assert usual
    assert build_chart(rows, Axes(99, (99, 2))) == usual
    assert [line.name for line in usual.lines] == ["y"]
    swapped = build_chart(rows, Axes(1, (0, 0)))
    assert swapped
    assert (swapped.axis, [line.name for line in swapped.lines]) == ("y", ["x"])
    wide = [["x", *map(str, range(19))], *([str(row)] * 20 for row in range(3))]
    many = build_chart(wide, Axes(0, tuple(range(1, 20))))
    assert many
    assert len(many.lines) == 6


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ([("chart", "t/a.csv"), ("x", "1"), ("y", "2"), ("y", "3")], ("t/a.csv", Axes(1, (2, 3)))),
        ([("chart", "a"), ("x", "-1")], ("a", Axes(BY_ROW))),
        ([("x", "name"), ("y", "-3"), ("y", "\u0663"), ("y", "100")], ("", Axes())),
        ([], ("", Axes())),
    ],
)
def test_columns_are_read_from_the_address(query: list[tuple[str, str]], read: tuple[str, Axes]) -> None:
    assert read_axes(query) == read


def test_a_column_of_one_value_is_a_straight_line() -> None:
    chart = build_chart(read_rows("day,y\n2026-01-01,5\n2026-01-02,5\n2026-01-03T00:00:00Z,5\n", is_cut=False))
    assert chart
    assert {point.split(",")[1] for point in chart.lines[0].parts[0].split()} == {f"{HEIGHT}.0"}


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
