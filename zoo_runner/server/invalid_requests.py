"""The error of a request that says something that cannot be, or that there is not."""

from zoo_runner.model.errors import InputError


def build_invalid(cause: str, remedy: str, code: str = "request.invalid") -> InputError:
    """Build the error of an invalid request (400); some parts of requests have a code of their own."""
    return InputError(cause, remedy, code=code)
