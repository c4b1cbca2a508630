"""Writes the SBOM of an image (CycloneDX 1.6): its Debian packages, and the Python packages of environments in /opt.

Usage: python dev/images/sbom.py IMAGE FILE

The image itself is asked, so that what its build has installed is in the list, whatever a lock says.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

_DEBIAN = "dpkg-query --show --showformat '${Package} ${Version} ${Architecture}\\n'"
_PYTHON = (
    "import importlib.metadata as found\nfor one in found.distributions(): print(one.metadata['Name'], one.version)"
)
_PYTHONS = f'for python in /opt/*/bin/python; do [ ! -x "$python" ] || "$python" -c "{_PYTHON}"; done'


def main(image: str, target: Path) -> None:
    """Ask an image what is in it, and write its SBOM."""
    debian = [tuple(line.split()) for line in _run(image, _DEBIAN).splitlines()]
    python = [tuple(line.split()) for line in _run(image, _PYTHONS).splitlines()]
    identity = subprocess.run(
        ["podman", "image", "inspect", "--format", "{{.Digest}}", image], check=True, capture_output=True, text=True
    )
    target.write_text(build_document(image, identity.stdout.strip(), debian, python))
    print(f"sbom: {len(set(debian))} Debian and {len(set(python))} Python packages of {image} in {target.name}")


def build_document(
    image: str, digest: str, debian: "Sequence[tuple[str, ...]]", python: "Sequence[tuple[str, ...]]"
) -> str:
    """Build the document; packages are name and version, those of Debian with their architecture. It is valid."""
    bom = Bom()
    name, _, tag = image.rpartition(":")
    bom.metadata.component = Component(
        name=name, version=tag, type=ComponentType.CONTAINER, bom_ref=f"{image}@{digest}"
    )
    for package, version, architecture in sorted(set(debian)):
        url = PackageURL("deb", "debian", package, version, {"arch": architecture, "distro": "bookworm"})
        bom.components.add(_describe(package, version, url))
    for package, version in sorted(set(python)):
        bom.components.add(_describe(package, version, PackageURL("pypi", None, package.lower(), version)))
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"sbom: the document is not valid CycloneDX: {error}")
    return f"{text}\n"


def _describe(name: str, version: str, url: PackageURL) -> Component:
    return Component(name=name, version=version, type=ComponentType.LIBRARY, purl=url, bom_ref=url.to_string())


def _run(image: str, script: str) -> str:
    command = ["podman", "run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", image, "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
