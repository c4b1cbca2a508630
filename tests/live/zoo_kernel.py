"""The running ZOO kernel that live tests use, and what they look at besides its answers; docs/zoo.md, Live tests."""

import os

import pytest

from tests.values import PACKAGES
from tests.waiting import wait_for
from tests.zoo_client import Job, User

ZOO_URL = os.environ.get("ZOO_URL", "").rstrip("/")  # noqa: TID251 the one place of these tests
SERVICES = os.environ.get("ZOO_SERVICES_FOLDER")  # noqa: TID251
RESULTS = os.environ.get("ZOO_RESULTS_FOLDER")  # noqa: TID251
BUCKET_ADDRESS = os.environ.get("ZOO_BUCKET_ADDRESS")  # noqa: TID251
LOG_MAX_MIB = int(os.environ.get("ZOO_LOG_MAX_MIB", 64))  # noqa: TID251
ARGO_TEMPLATES = os.environ.get("ZOO_ARGO_TEMPLATES")  # noqa: TID251
WORKERS = int(os.environ.get("ZOO_WORKERS", 0))  # noqa: TID251

MARKS = [
    pytest.mark.live,
    pytest.mark.needs_server,
    pytest.mark.skipif(not ZOO_URL, reason="ZOO_URL names no running ZOO kernel"),
]


def start_slow(user: User, seconds: int) -> Job:
    """Start a job whose tool goes on for long; it runs."""
    user.deploy(PACKAGES / "failing" / "slow" / "slow.cwl")
    job = user.execute("slow", {"seconds": seconds})
    wait_for(lambda: job.status().get("message", "").startswith("step sleep runs"), 180)
    return job
