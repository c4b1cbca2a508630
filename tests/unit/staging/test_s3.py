import pytest

from zoo_staging.errors import Kind, RetryableError, StagingError
from zoo_staging.s3 import split_url, translate

pytestmark = pytest.mark.unit

HREF = "s3://bucket/key"


def answer(status: str, code: str) -> Exception:
    return Exception(
        "Generic S3 error: Error performing GET http://h/bucket/key in 1ms - "
        f"Server returned non-2xx status code: {status}: <Error><Code>{code}</Code></Error>"
    )


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (
            answer("404 Not Found", "NoSuchKey"),
            Kind.NOT_FOUND,
            "the object does not exist (HTTP 404 NoSuchKey)",
        ),
        (
            answer("404 Not Found", "NoSuchBucket"),
            Kind.NOT_FOUND,
            "there is no bucket 'bucket' at this S3 service (HTTP 404 NoSuchBucket)",
        ),
        (
            answer("403 Forbidden", "InvalidAccessKeyId"),
            Kind.FORBIDDEN,
            "the S3 service does not know the access key (HTTP 403 InvalidAccessKeyId)",
        ),
        (
            answer("403 Forbidden", "SignatureDoesNotMatch"),
            Kind.FORBIDDEN,
            "the secret key does not belong to the access key (HTTP 403 SignatureDoesNotMatch)",
        ),
        (answer("403 Forbidden", "AccessDenied"), Kind.FORBIDDEN, "access is denied (HTTP 403 AccessDenied)"),
        (
            answer("503 Slow Down", "SlowDown"),
            Kind.STORAGE,
            "the S3 service cannot answer now (HTTP 503 SlowDown)",
        ),
        (Exception("Connect … InvalidCertificate(UnknownIssuer)"), Kind.UNTRUSTED, "is not trusted"),
        (Exception("kind: Timeout, source: TimedOut"), Kind.TIMEOUT, "did not answer in time"),
        (Exception("Connect, ConnectionRefused"), Kind.UNREACHABLE, "cannot be reached (no connection)"),
        (Exception('ConnectError("dns error")'), Kind.UNREACHABLE, "its name cannot be resolved"),
        (
            Exception("kind: Request … SendRequest, IncompleteMessage"),
            Kind.SIZE,
            "the connection broke before all bytes",
        ),
        (Exception("SendRequest … ConnectionReset"), Kind.SIZE, "the connection broke"),
        (Exception("HttpError kind: Interrupted"), Kind.SIZE, "the connection broke before all bytes came"),
    ],
)
def test_each_failure_of_the_client_is_said_in_our_words(error: Exception, kind: Kind, reason: str) -> None:
    translated = translate(error, HREF)
    assert translated.kind is kind
    assert reason in translated.reason
    assert translated.href == HREF
    assert translated.remedy


def test_only_what_may_pass_is_worth_another_try() -> None:
    assert isinstance(translate(answer("503 Slow Down", "SlowDown"), HREF), RetryableError)
    assert isinstance(translate(Exception("kind: Request … SendRequest, IncompleteMessage"), HREF), RetryableError)
    assert not isinstance(translate(answer("403 Forbidden", "AccessDenied"), HREF), RetryableError)


def test_an_s3_address_is_split_and_decoded() -> None:
    assert split_url("s3://bucket/a%20b/c.tif") == ("s3", "bucket", "a b/c.tif")
    with pytest.raises(StagingError, match="is not of the form s3://bucket/key"):
        split_url("s3:///key")
