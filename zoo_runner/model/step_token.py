"""A token that the steps of one job have for a service of the platform, until the job ends."""

from dataclasses import dataclass, field

TOKEN_INPUT = "platform_token"
"""The secret input by which a package asks for such a token."""


@dataclass(frozen=True)
class IssuedToken:
    """A token as the provider issued it; `expires` is a stored time."""

    text: str = field(repr=False)
    expires: str


@dataclass(frozen=True)
class KeptToken:
    """The token of a job as it is stored until it is revoked: encrypted; times are stored ones."""

    job_id: str
    encrypted: str = field(repr=False)
    expires: str
    kept: str
