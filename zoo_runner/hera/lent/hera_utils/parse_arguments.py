"""The options of the first generation's scripts."""

from typing import Any

from .parser import parser


def parse_arguments(logger: Any = None) -> Any:
    """Return the values of the first generation's parser."""
    return parser(logger=logger).parse_args()
