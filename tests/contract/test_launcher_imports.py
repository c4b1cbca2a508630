"""What a launcher loads: it has as much memory as its imports, and starts as fast as they do."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.contract

PROGRAM = """
import json, sys
from zoo_runner.engines.cwl_process.postponed import POSTPONED, postpone
postpone()
import zoo_runner.engines.local.launcher
from zoo_runner.engines.cwl_process.schemas import use_schema
use_schema("v1.2")
import cwltool.process
cwltool.process.get_schema("v1.2")[0].graph  # as each tool asks for it
loaded = [name for name in POSTPONED if getattr(sys.modules.get(name), "__file__", None)]
print(json.dumps(loaded))
"""


def test_a_launcher_that_waits_for_its_job_has_loaded_nothing_that_most_runs_do_not_need() -> None:
    subprocess.run([sys.executable, "-m", "zoo_runner.engines.cwl_process.schemas"], check=True)
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert json.loads(done.stdout) == []
