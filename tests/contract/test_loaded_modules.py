"""What the processes of a job load: they take as much memory as their imports, and start as fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.contract

LAUNCHER = """
import json, sys
from zoo_runner.engines.cwl_process.postponed import POSTPONED, postpone
postpone()
import {module}
from zoo_runner.engines.cwl_process.schemas import use_schema
use_schema("v1.2")
from cwltool.command_line_tool import CommandLineTool
from zoo_runner.engines.cwl_process.loading import load_document
load_document({{"package": sys.argv[1], "entry": "#main"}}, CommandLineTool)
print(json.dumps([name for name in POSTPONED if getattr(sys.modules.get(name), "__file__", None)]))
"""
PACKAGE = {
    "cwlVersion": "v1.2",
    "$graph": [
        {
            "class": "CommandLineTool",
            "id": "#main",
            "baseCommand": "echo",
            "inputs": [{"id": "#main/scene", "type": "File", "inputBinding": {}}],
            "outputs": [],
        }
    ],
}
COMMAND = """
import json, sys
import zoo_runner.cli.main, zoo_runner.cli.running
import zoo_runner.engines.local.engine, zoo_runner.execution.execute
from stageout.model import StageOutOptions
from stageout.stage import check_destination
check_destination(sys.argv[1], StageOutOptions(job_id="7"))
unneeded = ("asyncio", "cwltool", "email", "html.entities", "obstore", "pycurl", "rich", "ruamel.yaml", "ssl", "yaml")
print(json.dumps([name for name in unneeded if name in sys.modules]))
"""
# the job image has cwltool only where a package is evaluated (deploy/job)
STAGING = """
import json, sys
sys.modules["cwltool"] = sys.modules["schema_salad"] = sys.modules["ruamel.yaml"] = None
import zoo_runner.engines.argo.job_pod, zoo_runner.engines.argo.native.staging
import zoo_runner.engines.calrissian.job_pod, zoo_runner.engines.kubernetes.job_pod.publishing
print(json.dumps(["loaded"]))
"""
# its inputs are values
POD = """
import json, sys
from zoo_runner.engines.kubernetes.job_pod.lean import leave_out_tls, loading
with loading():
    leave_out_tls()
    import zoo_runner.engines.calrissian.job_pod
    import asyncio
unneeded = ("obstore", "platform", "ssl", "uuid", "zoo_runner.inputs.neighbours", "zoo_runner.inputs.package_files")
print(json.dumps([name for name in unneeded if name in sys.modules]))
"""


def run(program: str, *words: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, check=True)
    loaded: list[str] = json.loads(done.stdout)
    return loaded


@pytest.mark.parametrize("module", ["zoo_runner.engines.local.launcher", "zoo_runner.engines.argo.native.evaluation"])
def test_a_launcher_that_has_read_its_package_has_loaded_nothing_that_most_runs_do_not_need(
    module: str, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "zoo_runner.engines.cwl_process.schemas"], check=True)
    package = tmp_path / "package.json"
    package.write_text(json.dumps(PACKAGE))
    assert run(LAUNCHER.format(module=module), str(package)) == []


def test_a_command_that_waits_for_a_job_without_transfers_has_loaded_no_client_and_no_event_loop(
    tmp_path: Path,
) -> None:
    assert run(COMMAND, str(tmp_path / "results")) == []


def test_the_programs_of_pods_that_have_credentials_need_nothing_that_evaluates_packages() -> None:
    assert run(STAGING) == ["loaded"]


def test_a_job_pod_has_loaded_nothing_that_a_job_without_files_does_not_need() -> None:
    assert run(POD) == []
