"""Where a package came from: said in words, without what may be a secret."""

import pytest

from zoo_runner.harvest.addresses import find_web_address
from zoo_runner.model.process import Process
from zoo_runner.model.via import Via, clean_address, read_via, write_via
from zoo_runner.server.deploying import Deployment
from zoo_runner.server.package_source import show_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://git.example/a/b.cwl", "https://git.example/a/b.cwl"),
        ("HTTPS://user:secret@git.example:8443/a.cwl?token=secret#main", "https://git.example:8443/a.cwl"),
        ("https://secret@git.example/a", "https://git.example/a"),
        ("https://user:se@cret@git.example/a", "https://git.example/a"),
        ("ssh://git@git.example/a.git", "ssh://git.example/a.git"),
        ("https://git.example/a?sig=secret&x=1", "https://git.example/a"),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("https://[broken", ""),
        ("https:///no-host", ""),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_secret(address: str, shown: str) -> None:
    assert clean_address(address) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("git@git.example:group/project.git", "ssh://git.example/group/project.git"),
        ("https://user:secret@git.example/p.git", "https://git.example/p.git"),
    ],
)
def test_what_a_harvest_says_is_read_again(address: str, shown: str) -> None:
    name, _, value = write_via(find_web_address(address), COMMIT, 'für/"a", b;.cwl').partition(": ")
    assert name == "Link"
    assert value.isascii()
    assert "secret" not in value
    assert read_via([value]) == Via(shown, COMMIT, 'für/"a", b;.cwl')


def test_a_folder_of_this_machine_is_not_named() -> None:
    assert write_via(find_web_address("/srv/repositories/a"), COMMIT, "a.cwl") == ""


@pytest.mark.parametrize(
    "field",
    [
        "",
        "<https://eo.example/a>",
        '<https://eo.example/a>; rel="up"',
        '<javascript:alert(1)>; rel="via"',
        '<https://eo.example/a; rel="via"',
        "<" * 100_000,
        "<a>" + ";" * 100_000,
    ],
    ids=["empty", "no-relation", "other-relation", "script", "no-end", "many-marks", "many-parameters"],
)
def test_a_link_that_says_nothing_of_a_source_is_none(field: str) -> None:
    assert read_via([field]) is None


def test_one_of_several_links_says_where_a_package_is_from_and_a_commit_is_one() -> None:
    fields = ['<https://eo.example/>; rel="up", <https://u:p@git.example/r>; rel=via; commit="<b>"; path="/a.cwl"']
    assert read_via(fields) == Via("https://git.example/r", "", "a.cwl")


@pytest.mark.parametrize(
    ("deployment", "source"),
    [
        (Deployment({"package.cwl": ""}), {"kind": "text"}),
        (Deployment({"a.cwl": "", "lib/b.cwl": ""}), {"kind": "files", "names": ["a.cwl", "lib/b.cwl"]}),
        (Deployment(href="https://u:p@e.example/a.cwl?k=1"), {"kind": "address", "href": "https://e.example/a.cwl"}),
        (
            Deployment(href="https://e.example/a", via=Via("https://g.example/r")),
            {"kind": "address", "href": "https://e.example/a"},
        ),
        (Deployment(href="nowhere"), {"kind": "address"}),
        (Deployment(template="water"), {"kind": "template", "names": ["water"]}),
        (
            Deployment({"package.cwl": ""}, via=Via("https://g.example/r", COMMIT, "a.cwl")),
            {"kind": "repository", "href": "https://g.example/r", "commit": COMMIT, "path": "a.cwl"},
        ),
        (
            Deployment({"package.cwl": ""}, via=Via("https://g.example/r")),
            {"kind": "repository", "href": "https://g.example/r"},
        ),
    ],
    ids=["text", "files", "address", "address-and-word", "no-address", "template", "repository", "repository-alone"],
)
def test_a_deployment_says_where_its_documents_are_from(deployment: Deployment, source: dict[str, object]) -> None:
    assert deployment.source == source


def test_a_process_says_who_deployed_it_and_when() -> None:
    now = "2026-01-31T12:00:00Z"
    process = Process("alpha", "p", "d" * 64, {"source": {"kind": "text"}}, now, now, "bob")
    assert show_source(process) == {"kind": "text", "digest": "d" * 64, "at": now, "by": "bob"}
    # one of an earlier release
    assert show_source(Process("alpha", "p", "d" * 64, {}, now, now)) == {"digest": "d" * 64, "at": now}
