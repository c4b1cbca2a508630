"""The process that returns its inputs, for test suites of OGC API - Processes; clients cannot change it."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from zoo_runner.model.errors import ProcessExistsError, ProcessNotFoundError
from zoo_runner.model.process import Process
from zoo_runner.server.api import Api, Call
from zoo_runner.server.deploying import Deployment
from zoo_runner.server.processes import is_mutable, prepare_process

_ID = "EchoProcess"


def keep_echo(api: Api) -> None:
    """Have the process in the server's own workspace as it is in this release, or not at all, as the settings say.

    Raises `RunnerError`.
    """
    known = _find_known(api)
    if api.settings.echo:
        _deploy(api, known)
    elif known and not is_mutable(known):
        with suppress(ProcessNotFoundError):  # another server that starts now was faster
            api.store.processes.undeploy(known.workspace, known.id)


def _find_known(api: Api) -> Process | None:
    try:
        return api.store.processes.get(api.configuration.workspace.name, _ID)
    except ProcessNotFoundError:
        return None


def _deploy(api: Api, known: Process | None) -> None:
    file, call = Path(__file__).with_name("echo.cwl"), Call(api.configuration.workspace.name, "")
    process, package = prepare_process(api, call, Deployment({file.name: file.read_text(encoding="utf-8")}))
    process = replace(process, description={**process.description, "mutable": False, "source": {"kind": "server"}})
    if known is None:
        with suppress(ProcessExistsError):
            api.store.processes.deploy(process, package)
    elif (known.package, known.description) != (process.package, process.description):
        api.store.processes.replace(process, package)
