import pytest

from zoo_staging import http_errors, object_store_errors
from zoo_staging.curl import CurlError
from zoo_staging.errors import RetryableError, StagingError
from zoo_staging.failures import Failure, Remote, build_failure

pytestmark = pytest.mark.unit

HTTP, S3 = "https://host.example/a.tif", "s3://bucket/a.tif"


@pytest.mark.parametrize("failure", Failure)
def test_a_failure_says_who_and_why_and_whether_to_try_again(failure: Failure) -> None:
    error = build_failure(failure, HTTP, Remote("the service", "the endpoint"), "the reason")
    assert isinstance(error, RetryableError) is failure.retryable
    assert error.kind is failure.kind
    assert "{" not in str(error) + error.remedy


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_web_servers_and_object_stores_that_are_busy_fail_alike(status: int) -> None:
    with pytest.raises(StagingError) as caught:
        http_errors.check_status(status, "", {"retry-after": "3"}, HTTP)
    other = object_store_errors.translate(Exception(f"status code: {status} Slow"), S3)
    assert isinstance(caught.value, RetryableError) and isinstance(other, RetryableError)
    assert caught.value.kind is other.kind and caught.value.retry_after_seconds == 3


def test_web_servers_and_object_stores_that_do_not_answer_fail_alike() -> None:
    web, store = http_errors.translate(TimeoutError(), HTTP), object_store_errors.translate(TimeoutError(), S3)
    assert (type(web), web.kind, web.href) == (type(store), store.kind, HTTP)


def test_the_host_of_a_certificate_that_is_not_trusted_is_named() -> None:
    error = http_errors.translate(
        CurlError("untrusted", "SSL certificate problem: self-signed certificate", 0, None), HTTP
    )
    assert "host.example" in error.reason and "self-signed certificate" in error.reason
