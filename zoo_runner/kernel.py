"""What every rendered service imports: this name is stable."""

from pathlib import Path
from typing import Any

from zoo_runner.zoo.ahead import starting_ahead
from zoo_runner.zoo.process import child_signals, forget_services_folder


def run_service(conf: Any, inputs: Any, outputs: Any, workflow_id: str, service_file: str) -> int:
    """Run the package beside a generated service; return 3 (succeeded) or 4 (failed), as the kernel expects.

    The status message of a failed job gives cause and remedy. The launcher of the local engine is started first: it and
    this package take about as long to import.
    """
    folder = Path(service_file).absolute().parent
    forget_services_folder(folder.parent)
    with child_signals(), starting_ahead(conf):
        from zoo_runner.zoo.service import KernelJob

        return KernelJob(f"{folder / 'app-package.cwl'}#{workflow_id}", conf, inputs, outputs).execute()
