"""Stage-in: downloads what a job order refers to and returns a job order with local paths."""

from stagein.settings import StageInOptions, load_options
from stagein.stage import stage_in, stage_in_async

__all__ = ["StageInOptions", "load_options", "stage_in", "stage_in_async"]
