"""Checks a package for its author: loads and validates it, and locates each finding in the source."""

from dataclasses import replace

from zoo_runner.config.settings import Settings
from zoo_runner.inputs.defaults import check_defaults
from zoo_runner.inputs.selection import check_selections
from zoo_runner.model.errors import InvalidPackageError, PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.documents import Documents, Fetch, as_uri
from zoo_runner.package.findings import Finding, Severity, sort_findings
from zoo_runner.package.loading import load_package
from zoo_runner.package.scripts import FindFaults
from zoo_runner.package.validate import check_syntax, validate_package


def inspect_package(
    reference: str, settings: Settings, fetch: Fetch | None = None, find_faults: FindFaults | None = None
) -> tuple[Finding, ...]:
    """Return all findings of a package at a path or URL, also if it is not valid CWL; errors first.

    `find_faults` compiles its JavaScript; without it no syntax errors are found.
    """
    try:
        package = load_package(reference, settings, fetch)
        findings = check_package(package, find_faults)
    except PackageError as error:
        return describe_error(error, as_uri(reference))
    return locate_findings(findings, package, Documents(as_uri(reference), settings, fetch))


def check_package(package: Package, find_faults: FindFaults | None = None) -> tuple[Finding, ...]:
    """Return all findings of a package that was loaded, errors first, each with its place in the packed document."""
    syntax = check_syntax(package, find_faults) if find_faults else ()
    return sort_findings((*validate_package(package), *syntax, *check_defaults(package), *check_selections(package)))


def locate_findings(findings: tuple[Finding, ...], package: Package, documents: Documents) -> tuple[Finding, ...]:
    """Add to the findings their places in the author's documents."""
    # it loads a parser of YAML, which a server does not need
    from zoo_runner.package.positions import load_positions

    places = load_positions(package, documents.read)
    located = []
    for finding in findings:
        place = places.find(finding.place)
        located.append(replace(finding, uri=place.uri or None, line=place.line, column=place.column))
    return tuple(located)


def describe_error(error: PackageError, uri: str) -> tuple[Finding, ...]:
    """Return the findings of a package that cannot be used: one per fault, or the error itself."""
    remedy = error.diagnosis.remedy
    code = error.diagnosis.code
    if isinstance(error, InvalidPackageError) and error.faults:
        return tuple(
            Finding(code, Severity.ERROR, "", "document", f.message, remedy, f.uri or uri, f.line, f.column)
            for f in error.faults
        )
    return (Finding(code, Severity.ERROR, "", "package", error.diagnosis.cause, remedy, uri),)
