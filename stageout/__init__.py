"""Stage-out: writes the outputs of a CWL run to a bucket or a folder, as STAC."""

from stageout.model import StageOutOptions
from stageout.settings import Settings, load_options
from stageout.stage import Results, check_destination, plan_stage_out, stage_out

__all__ = [
    "Results",
    "Settings",
    "StageOutOptions",
    "check_destination",
    "load_options",
    "plan_stage_out",
    "stage_out",
]
