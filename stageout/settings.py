"""Reads the settings of stage-out; the only module of this package that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stageout.model import StageOutOptions
from zoo_staging.errors import Kind, StagingError
from zoo_staging.settings import load_cloud_options, load_s3_options, parse_bool

PREFIX = "STAGEOUT"


@dataclass(frozen=True)
class Settings:
    """Options of stage-out, and the destination of calls that name none (`STAGEOUT_OUTPUT`)."""

    options: StageOutOptions
    destination: str | None


def read_environ() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ  # noqa: TID251 - the one place


def load_options(
    environ: Mapping[str, str],
    job_id: str,
    workflow_id: str = "workflow",
    outputs_folder: Path | None = None,
) -> Settings:
    """Read the settings from the environment or any other mapping.

    S3: `STAGEOUT_AWS_SERVICEURL`, `STAGEOUT_AWS_REGION`, `STAGEOUT_AWS_ACCESS_KEY_ID`,
    `STAGEOUT_AWS_SECRET_ACCESS_KEY`, `STAGEOUT_AWS_SESSION_TOKEN`, each falling back to `AWS_…`. Others:
    `STAGEOUT_OUTPUT`, `STAGEOUT_PUBLIC_URL`, `STAGEOUT_KEEP_EMPTY_FOLDERS`, `STAGEOUT_MAX_FILES`,
    `STAGEOUT_MAX_BYTES`. The parameters are those of `StageOutOptions`. Raises StagingError for an invalid value.
    """
    options = StageOutOptions(
        job_id=job_id,
        workflow_id=workflow_id,
        s3=load_s3_options(environ, PREFIX),
        clouds=load_cloud_options(environ, PREFIX),
        public_base_url=environ.get(f"{PREFIX}_PUBLIC_URL") or None,
        outputs_folder=outputs_folder,
        keep_empty_folders=_read_bool(environ, f"{PREFIX}_KEEP_EMPTY_FOLDERS"),
        max_files=_read_count(environ, f"{PREFIX}_MAX_FILES"),
        max_bytes=_read_count(environ, f"{PREFIX}_MAX_BYTES"),
    )
    return Settings(options, environ.get(f"{PREFIX}_OUTPUT") or None)


def _read_bool(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name) or "false"
    try:
        return parse_bool(text)
    except ValueError as error:
        raise _invalid(name, text, str(error)) from error


def _read_count(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if text and not (text.isdecimal() and int(text)):
        raise _invalid(name, text, "must be a whole number above zero")
    return int(text) if text else None


def _invalid(name: str, text: str, why: str) -> StagingError:
    remedy = "Correct this environment variable or unset it."
    return StagingError(Kind.SETTINGS, name, f"invalid value {text!r}: {why}", remedy)
