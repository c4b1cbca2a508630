"""The one door to S3 object storage (obstore); its errors are translated here."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from staging.errors import Kind, StagingError


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


def split_s3_url(href: str) -> tuple[str, str]:
    """Split `s3://bucket/key` into bucket and key (percent-decoded, no leading slash)."""
    parts = urlsplit(href)
    if parts.scheme != "s3" or not parts.netloc:
        raise StagingError(
            Kind.UNSUPPORTED, href, "is not of the form s3://bucket/key", "Write it as s3://<bucket>/<key>."
        )
    return parts.netloc, unquote(parts.path.lstrip("/"))


def open_bucket(bucket: str, options: S3Options) -> S3Store:
    """Open a bucket; nothing is requested yet."""
    endpoint = options.endpoint
    return S3Store(
        bucket,
        config={
            "region": options.region,
            "virtual_hosted_style_request": False,
            **({"endpoint": endpoint} if endpoint else {}),
            **({"access_key_id": options.access_key_id} if options.access_key_id else {}),
            **({"secret_access_key": options.secret_access_key} if options.secret_access_key else {}),
            **({"session_token": options.session_token} if options.session_token else {}),
            **({"skip_signature": True} if options.anonymous else {}),
        },
        client_options={"allow_http": bool(endpoint and endpoint.startswith("http:"))},
    )
