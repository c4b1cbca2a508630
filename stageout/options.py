"""What stage-out has to know besides the outputs and the destination."""

from dataclasses import dataclass, field
from pathlib import Path

from zoo_staging.cloudsettings import CloudOptions
from zoo_staging.settings import S3Options


@dataclass(frozen=True)
class StageOutOptions:
    """How results are named, where they may come from and how they are put away.

    `title` is the title of the process. `collection_id` and `collection_title` name the STAC Collection of
    the results; without an id it is `col_<job-id>`. With `public_base_url`, links read
    `<public_base_url>/<key>` instead of `s3://…` or `file://…`. When `outputs_folder` is given, a File or
    Directory that does not lie in it, links followed, is refused: give the engine's output folder wherever
    the tools are not trusted. Of the `optional` outputs an empty folder is no result, of all others an error.
    `concurrency` is the number of files that move at the same time.
    """

    job_id: str
    workflow_id: str = "workflow"
    title: str | None = None
    s3: S3Options = field(default_factory=S3Options)
    clouds: CloudOptions = field(default_factory=CloudOptions)
    collection_id: str | None = None
    collection_title: str | None = None
    public_base_url: str | None = None
    outputs_folder: Path | None = None
    optional: frozenset[str] = frozenset()
    concurrency: int = 8
