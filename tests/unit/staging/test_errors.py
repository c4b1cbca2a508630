import pytest

from zoo_staging.errors import Kind, Side, StagingError, about, mask_href, merge_errors

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("https://ann:secret@host/a", "https://ann:***@host/a"),
        ("https://h/a?X-Amz-Signature=abc&x=1", "https://h/a?X-Amz-Signature=***&x=1"),
        ("https://h/a?sv=2&sig=ab%2Fc", "https://h/a?sv=2&sig=***"),
        ("https://h/a?access_token=abc", "https://h/a?access_token=***"),
        ("https://h/a?bands=red", "https://h/a?bands=red"),
        ("/data/a b.tif", "/data/a b.tif"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_secrets_in_an_address_are_not_shown(href: str, shown: str) -> None:
    assert mask_href(href) == shown


def test_an_error_masks_its_address() -> None:
    error = StagingError(Kind.NOT_FOUND, "https://u:p@h/a?token=x", "does not exist", "Check it.")
    assert str(error) == "https://u:***@h/a?token=***: does not exist"


def test_several_problems_become_the_first_which_counts_the_others() -> None:
    errors = [StagingError(Kind.NOT_FOUND, f"a{n}", "does not exist", "Check it.") for n in range(3)]
    merged = merge_errors(errors)
    assert merged.reason == "does not exist (and 2 more)"
    assert merged.others == tuple(errors[1:])
    assert merge_errors(errors[:1]) is errors[0]


def test_an_error_keeps_the_side_that_it_was_about_first() -> None:
    with pytest.raises(StagingError) as caught, about(Side.DESTINATION), about(Side.OUTPUT):
        raise StagingError(Kind.NOT_FOUND, "x", "is missing", "Do.")
    assert caught.value.code == "output.not-found"
