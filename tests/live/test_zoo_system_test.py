"""The system test of an operator, by command, against a running ZOO kernel; docs/system-test.md, Against ZOO."""

from pathlib import Path
from xml.etree import ElementTree

from tests.live.zoo_kernel import MARKS
from tests.site import Site
from tests.zoo_client import User, ask

pytestmark = MARKS

# on a busy machine a kernel takes minutes for what it does in seconds
SECONDS = 800


def test_a_kernel_passes_what_it_can_do_and_what_it_cannot_is_not_applicable(
    user: User, other: User, tmp_path: Path
) -> None:
    url, report = user.api.replace(user.name, "{workspace}"), tmp_path / "report.xml"
    names = ("--workspace", user.name, "--other-workspace", other.name)
    site = Site(tmp_path, tmp_path / "cache")
    done = site.command("system-test", url, *names, "--junit", report, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, summary = done.stdout.splitlines()
    assert summary.startswith(f"{user.api}: 8 passed, 0 failed, 1 skipped, 3 not applicable in ")
    # the verdict has its own column
    verdicts = {line[16:].split()[0]: line[:16].strip() for line in lines if line[0] != " "}
    assert verdicts == (
        dict.fromkeys(("landing", "deploy", "run", "results", "logs", "failure", "dismiss", "undeploy"), "passed")
        | dict.fromkeys(("login", "isolation", "access"), "not applicable")
        | {"backup": "skipped"}
    )
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("12", "0", "4")
    said = {str(case.get("name")): str(case.findtext("system-out")) for case in suite}
    # the file itself was read through the catalog of the results
    assert said["results"].endswith("/said.txt")
    assert "Code: step.exit-code" in said["failure"]
    assert "ZOO" in said["landing"]
    listed = {one["id"] for one in ask("GET", f"{user.api}/processes").json["processes"]}
    assert not {one for one in listed if one.startswith("system-test-")}
