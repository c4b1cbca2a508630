"""The list of what is in an image."""

import json

from dev.images.sbom import build_document


def test_an_sbom_has_each_package_once_with_its_address() -> None:
    debian = [("libc6", "2.36-9", "amd64"), ("libc6", "2.36-9", "amd64")]
    python = [("click", "8.1.7"), ("PyYAML", "6.0")]
    document = json.loads(build_document("docker.io/zoo-runner/service:dev", "sha256:1", debian, python))
    assert document["metadata"]["component"]["type"] == "container"
    assert {one["purl"] for one in document["components"]} == {
        "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=bookworm",
        "pkg:pypi/click@8.1.7",
        "pkg:pypi/pyyaml@6.0",
    }
