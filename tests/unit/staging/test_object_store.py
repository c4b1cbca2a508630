import pytest

from zoo_staging.errors import Kind, RetryableError, StagingError
from zoo_staging.object_store import split_url
from zoo_staging.object_store_errors import translate

pytestmark = pytest.mark.unit

HREF = "s3://bucket/key"


def answer(status: str, code: str) -> Exception:
    return Exception(
        "Generic S3 error: Error performing GET http://h/bucket/key in 1ms - "
        f"Server returned non-2xx status code: {status}: <Error><Code>{code}</Code></Error>"
    )


@pytest.mark.parametrize(
    ("error", "kind", "fact"),
    [
        (answer("404 Not Found", "NoSuchKey"), Kind.NOT_FOUND, "HTTP 404 NoSuchKey"),
        (answer("404 Not Found", "NoSuchBucket"), Kind.NOT_FOUND, "bucket 'bucket'"),
        (answer("403 Forbidden", "InvalidAccessKeyId"), Kind.FORBIDDEN, "HTTP 403 InvalidAccessKeyId"),
        (answer("403 Forbidden", "SignatureDoesNotMatch"), Kind.FORBIDDEN, "HTTP 403 SignatureDoesNotMatch"),
        (answer("403 Forbidden", "AccessDenied"), Kind.FORBIDDEN, "HTTP 403 AccessDenied"),
        (answer("503 Slow Down", "SlowDown"), Kind.SERVICE, "HTTP 503 SlowDown"),
        (Exception("Connect … InvalidCertificate(UnknownIssuer)"), Kind.UNTRUSTED, "certificate"),
        (Exception("kind: Timeout, source: TimedOut"), Kind.TIMEOUT, "S3 endpoint"),
        (Exception("Connect, ConnectionRefused"), Kind.UNREACHABLE, "no connection"),
        (Exception('ConnectError("dns error")'), Kind.UNREACHABLE, "name"),
        (Exception("kind: Request … SendRequest, IncompleteMessage"), Kind.SIZE, "connection"),
        (Exception("SendRequest … ConnectionReset"), Kind.SIZE, "connection"),
        (Exception("HttpError kind: Interrupted"), Kind.SIZE, "connection"),
    ],
)
def test_each_failure_of_the_client_has_a_kind_and_the_facts(error: Exception, kind: Kind, fact: str) -> None:
    translated = translate(error, HREF)
    assert translated.kind is kind
    assert fact in translated.reason
    assert translated.href == HREF
    assert translated.remedy


def test_only_what_may_pass_is_worth_another_try() -> None:
    assert isinstance(translate(answer("503 Slow Down", "SlowDown"), HREF), RetryableError)
    assert isinstance(translate(Exception("kind: Request … SendRequest, IncompleteMessage"), HREF), RetryableError)
    assert not isinstance(translate(answer("403 Forbidden", "AccessDenied"), HREF), RetryableError)


def test_an_s3_address_is_split_and_decoded() -> None:
    assert split_url("s3://bucket/a%20b/c.tif") == ("s3", "bucket", "a b/c.tif")
    with pytest.raises(StagingError, match="s3://bucket/key"):
        split_url("s3:///key")
