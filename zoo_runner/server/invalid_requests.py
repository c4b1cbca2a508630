"""The error of a request that says something that cannot be, or that there is not."""

from zoo_runner.model.errors import InputError


def build_invalid(cause: str, remedy: str) -> InputError:
    """Build the error of an invalid request (`request.invalid`, 400)."""
    return InputError(cause, remedy, code="request.invalid")
