"""Reads the settings of stage-out; the only place of this package that looks at the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from stageout.options import StageOutOptions
from staging.settings import load_s3_options

PREFIX = "STAGEOUT"


@dataclass(frozen=True)
class Settings:
    """Options of stage-out, and the destination where a call names none (`STAGEOUT_OUTPUT`)."""

    options: StageOutOptions
    destination: str | None


def read_environ() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ  # noqa: TID251 - the one place


def load_options(environ: Mapping[str, str], job_id: str, workflow_id: str = "workflow") -> Settings:
    """Read the `STAGEOUT_…` settings.

    `STAGEOUT_AWS_SERVICEURL`, `…_REGION`, `…_ACCESS_KEY_ID`, `…_SECRET_ACCESS_KEY`, `…_SESSION_TOKEN`
    (each falling back to `AWS_…`), `STAGEOUT_OUTPUT` and `STAGEOUT_PUBLIC_URL`.
    """
    options = StageOutOptions(
        job_id=job_id,
        workflow_id=workflow_id,
        s3=load_s3_options(environ, PREFIX),
        public_base_url=environ.get(f"{PREFIX}_PUBLIC_URL") or None,
    )
    return Settings(options, environ.get(f"{PREFIX}_OUTPUT") or None)
