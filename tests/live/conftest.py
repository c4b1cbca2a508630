"""Order of the live tier: what looks at what the others left comes last."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == "test_nothing_is_left.py")
