"""The process that returns its inputs, for test suites of OGC API - Processes; it is deployed like any other."""

from contextlib import suppress
from pathlib import Path

from zoo_runner.model.errors import ProcessExistsError, ProcessNotFoundError
from zoo_runner.server.api import Api, Call
from zoo_runner.server.deploying import Deployment
from zoo_runner.server.processes import prepare_process


def deploy_echo(api: Api) -> None:
    """Deploy the process into the server's own workspace, unless that has it as it is in this release.

    Raises `RunnerError`.
    """
    file, call = Path(__file__).with_name("echo.cwl"), Call(api.configuration.workspace.name, "")
    text = file.read_text(encoding="utf-8")
    process, package = prepare_process(api, call, Deployment({file.name: text}))
    try:
        known = api.store.processes.get(process.workspace, process.id)
    except ProcessNotFoundError:
        with suppress(ProcessExistsError):  # another server that starts now was faster
            api.store.processes.deploy(process, package)
        return
    if known.package != package.digest:
        api.store.processes.replace(process, package)
