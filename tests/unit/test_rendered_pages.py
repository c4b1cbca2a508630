"""How a page shows the values of its document."""

from typing import Any

import pytest

from zoo_runner.server.pages import render_page

SCOPE = {"method": "GET", "query_string": b""}


def nest(value: Any, levels: int, as_list: bool) -> Any:
    for _ in range(levels):
        value = [value] if as_list else {"a": value}
    return value


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("levels", [3, 300, 600])
def test_a_value_of_many_levels_is_shown(levels: int, as_list: bool) -> None:
    page = render_page("document", {"value": nest("innermost", levels, as_list)}, SCOPE, None)
    assert "innermost" in page
