"""Which pods deploy/kubernetes/admission.yaml takes for those of a job, by the ends of their names."""

import re

import pytest

from tests.values import ROOT

PATTERNS = re.findall(
    r"(!?)variables\.by\.substring\(size\(variables\.job\)\)\.matches\('([^']+)'\)",
    (ROOT / "deploy/kubernetes/admission.yaml").read_text(),
)


@pytest.mark.parametrize(
    ("end", "own"),
    [
        ("-x2b4z", True),
        ("-job-3049584712", True),
        ("-keep-logs-123456", True),
        # the pod of the Job of another job, whose id ends with -job
        ("-job-24567", False),
        ("-keep-logs-99999", False),
        ("-b-x2b4z", False),
        ("", False),
    ],
)
def test_a_pod_is_of_the_job_whose_name_it_has_before_a_generated_end(end: str, own: bool) -> None:
    assert len(PATTERNS) == 2
    assert all(bool(re.search(pattern, end)) != bool(negated) for negated, pattern in PATTERNS) == own
