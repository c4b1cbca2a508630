"""Whether the server can do its work, for whoever starts, restarts and balances servers."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Response

from zoo_runner.model import clock
from zoo_runner.model.errors import RunnerError
from zoo_runner.server.api import Api
from zoo_runner.server.documents import Health
from zoo_runner.server.json_answer import JsonAnswer

MEDIA_TYPE = "application/health+json"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": Health, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Health"}}}}
    for status in (200, 503)
}
_Parts = dict[str, list[dict[str, Any]]]


def add_health(app: FastAPI, api: Api, count_workers: Callable[[], int]) -> None:
    """Add the paths; `count_workers` returns how many workers of this server run."""

    @app.get("/health", responses=_ANSWERS, tags=["operation"])
    def get_health() -> Response:
        """Report whether the database answers, how many workers run, and how long jobs wait."""
        return _answer({**_check_database(api), **_check_workers(api, count_workers()), **_check_queue(api)})

    @app.get("/health/ready", responses=_ANSWERS, tags=["operation"])
    def get_ready() -> Response:
        """Report whether requests can be answered: whether the database answers."""
        return _answer(_check_database(api))

    @app.get("/health/live", responses=_ANSWERS, tags=["operation"])
    async def get_live() -> Response:
        """Answer, also where all threads are busy; a server that does not is to be restarted."""
        return _answer({})


def _answer(checks: _Parts) -> Response:
    sound = all(check["status"] == "pass" for part in checks.values() for check in part)
    document: Health = {"status": "pass" if sound else "fail", "checks": checks}
    return JsonAnswer(document, 200 if sound else 503, media_type=MEDIA_TYPE)


def _check_database(api: Api) -> _Parts:
    try:
        api.store.database.check()
    except RunnerError as error:
        return {"store:database": [{"status": "fail", "output": error.diagnosis.cause}]}
    return {"store:database": [{"status": "pass"}]}


def _check_workers(api: Api, alive: int) -> _Parts:
    status = "pass" if alive >= api.settings.workers else "fail"
    return {"workers:running": [{"status": status, "observedValue": alive, "observedUnit": "processes"}]}


def _check_queue(api: Api) -> _Parts:
    try:
        waits = measure_wait(api)
    except RunnerError:
        # that the database does not answer is said already
        return {}
    return {"queue:wait": [{"status": "pass", "observedValue": waits, "observedUnit": "s"}]}


def measure_wait(api: Api) -> float:
    """Measure how long the oldest job waits that nobody works on, in seconds; 0 where none waits."""
    created = api.store.jobs.find_oldest_waiting()
    return 0.0 if created is None else round(clock.seconds_since(created), 3)
