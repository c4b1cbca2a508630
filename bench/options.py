"""Numbers on the command lines of measurements: one that nothing can be measured with is refused, with the range."""

from argparse import ArgumentTypeError
from collections.abc import Callable


def whole(least: int = 1, most: int | None = None) -> Callable[[str], int]:
    """Build a type of `argparse`: whole numbers from `least` to `most`, both included.

    >>> parser.add_argument("--rounds", type=whole(), default=5)
    """
    expected = f"a whole number, at least {least}" if most is None else f"a whole number from {least} to {most}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is not {expected}") from None
        if number < least or (most is not None and number > most):
            raise ArgumentTypeError(f"{number} is not {expected}")
        return number

    return read
