"""Names of the nodes of a Workflow, in the order in which they run."""

STAGE_IN, RUN, STAGE_OUT = "stage-in", "run", "stage-out"
SEQUENCE = (STAGE_IN, RUN, STAGE_OUT)
KEEP_LOGS = "keep-logs"
