"""Settings that stage-in and stage-out share: how to reach an S3 service."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class S3Options:
    """How to reach an S3 service: any endpoint, signed with keys or anonymous when there is no key.

    `endpoint` is a URL (None: AWS); a plain `http:` one is accepted as the operator wrote it.
    """

    endpoint: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    @property
    def anonymous(self) -> bool:
        """Whether requests go out unsigned."""
        return not self.access_key_id

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return tuple(value for value in (self.secret_access_key, self.session_token) if value)


def load_s3_options(environ: Mapping[str, str], prefix: str) -> S3Options:
    """Read S3 settings from `<prefix>_AWS_…` (as platforms name them), each falling back to `AWS_…`.

    Keys fall back as a whole: a key id of the prefix is never paired with another's secret or token.
    """

    def read(*names: str) -> str | None:
        return next((environ[name] for name in names if environ.get(name)), None)

    owner = f"{prefix}_AWS" if environ.get(f"{prefix}_AWS_ACCESS_KEY_ID") else "AWS"
    return S3Options(
        endpoint=read(f"{prefix}_AWS_SERVICEURL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        region=read(f"{prefix}_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1",
        access_key_id=read(f"{owner}_ACCESS_KEY_ID"),
        secret_access_key=read(f"{owner}_SECRET_ACCESS_KEY"),
        session_token=read(f"{owner}_SESSION_TOKEN"),
    )
