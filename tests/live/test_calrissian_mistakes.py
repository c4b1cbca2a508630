"""A mistake in a package that shows only when it runs is reported on Kubernetes as by the local engine."""

from pathlib import Path

import pytest

from tests.site import Site
from tests.values import FAILING, PACKAGES
from zoo_runner.model.diagnosis import Diagnosis, Level

DESTINATION = "s3://results/mistakes"
TOO_LARGE_LATER = PACKAGES / "features" / "failing" / "too-large-later" / "too-large-later.cwl"


def fail(site: Site, package: Path, destination: str) -> Diagnosis:
    found = site.run(site.accept(package, None, destination=destination)).outcome.diagnosis
    assert found
    return found


def fail_on_both(site: Site, package: Path) -> Diagnosis:
    """Run a package on the cluster, see that it is reported as here, and return what is reported."""
    there = fail(site, package, DESTINATION)
    here = fail(Site(site.folder / "here", site.cache), package, str(site.results))
    assert (there.cause, there.remedy, there.level, there.step) == (here.cause, here.remedy, here.level, here.step)
    return there


@pytest.mark.parametrize(
    ("name", "output"),
    [("glob-nothing", "text"), ("two-files", "picture"), ("circular-link", "scene"), ("output-type", "result")],
)
def test_an_output_that_cannot_be_read_is_reported_with_its_step(name: str, output: str, site: Site) -> None:
    found = fail_on_both(site, FAILING / name / f"{name}.cwl")
    assert found.cause.startswith("step 'run' succeeded")
    assert f"its output {output!r}" in found.cause
    assert (found.level, found.step) == (Level.USER, "run")


def test_an_output_object_that_is_not_json_is_reported_with_its_step(site: Site, tmp_path: Path) -> None:
    package = tmp_path / "not-json.cwl"
    text = (FAILING / "output-type" / "output-type.cwl").read_text()
    package.write_text(text.replace('{\\"result\\": \\"many\\"}', "many"))
    found = fail_on_both(site, package)
    assert found.code == "step.output-invalid"
    assert all(fact in found.cause for fact in ("step 'run'", "cwl.output.json"))


@pytest.mark.parametrize("name", ["expression", "tool-crashed", "tool-exit-code", "tool-killed"])
def test_a_step_that_fails_is_reported_as_here(name: str, site: Site) -> None:
    assert fail_on_both(site, FAILING / name / f"{name}.cwl").step == "run"


@pytest.mark.parametrize(
    ("given", "kind", "reported", "limit", "setting"),
    [
        ("coresMin", "cores", "100000 cores", "2", "DEFAULT_MAX_CORES"),
        ("ramMin", "ram", "100000 MiB of memory", "512", "DEFAULT_MAX_RAM"),
    ],
)
def test_a_step_that_turns_out_to_ask_for_too_much_is_refused_in_our_words(
    given: str, kind: str, reported: str, limit: str, setting: str, site: Site, tmp_path: Path
) -> None:
    package = tmp_path / "too-large-later.cwl"
    package.write_text(TOO_LARGE_LATER.read_text().replace("coresMin", given))
    small = site.having(DEFAULT_MAX_CORES="2", DEFAULT_MAX_RAM="512Mi")
    job = small.accept(f"{package}#too-large-later", TOO_LARGE_LATER.with_name("inputs.yml"), destination=DESTINATION)
    found = small.run(job).outcome.diagnosis
    assert found
    assert [fact for fact in (reported, limit, setting) if fact not in found.cause] == []
    assert f"{kind}Min" in found.remedy
    assert (found.code, found.level, found.step) == ("resources.limit", Level.USER, "huge")
