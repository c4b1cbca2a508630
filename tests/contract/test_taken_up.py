"""A job changes its worker: whoever follows it gets each line and each event once, whatever the database."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import DATABASES, use_database
from tests.jobs import TalkingEngine
from tests.values import configuration_in, small_job
from zoo_runner.config.server import ServerSettings
from zoo_runner.engines.fake import FAKE_WORK
from zoo_runner.execution.accept import accept
from zoo_runner.execution.context import Context, open_context
from zoo_runner.execution.execute import execute, start
from zoo_runner.execution.keeper import Keeper
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import EngineLine, Event, StageStarted, StepEnded, StepLines, StepStarted
from zoo_runner.model.job import Status
from zoo_runner.server.api import Api, Call
from zoo_runner.server.streams import follow_log, stream_events
from zoo_runner.store.sql import open_sql_store

STORY: tuple[Event, ...] = (
    EngineLine("info", "pod scheduled"),
    StepStarted("index", "index.py", 1.0),
    StepLines("index", tuple(f"line {number % 7}" for number in range(50))),
    StepEnded("index", 1.0, 2.0, 0, None, None),
    StepStarted("mask", "mask.py", 3.0),
    StepLines("mask", ("one", "two")),
    StepEnded("mask", 3.0, 4.0, 0, None, None),
)
LONGEST_SECONDS = 60


@pytest.fixture(params=DATABASES)
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    with use_database(request.param) as url:
        store = open_sql_store(url or f"sqlite:///{tmp_path / 'runner.db'}")
        configuration = configuration_in(tmp_path)
        engine = TalkingEngine(configuration)
        engine.events = STORY
        opened = open_context(configuration, engine)
        # a process whose lease has always ended, as that of one that was killed
        context = replace(opened, store=store.jobs, events=store.events, keeper=Keeper(store.jobs, 1000.0, 0.0))
        yield Api(store, ServerSettings(results=tmp_path / "results"), configuration, context)
        store.close()


async def gather(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in stream])


def build_next(api: Api, engine: TalkingEngine) -> Context:
    """The process that goes on, with the same store and jobs of the same engine."""
    context, own = api.context, TalkingEngine(api.configuration)
    own.submitted, own.events = engine.submitted, STORY
    return Context(context.store, context.events, context.find_workspace, lambda *_: own, Keeper(context.store))


def test_each_line_and_each_event_comes_once_while_the_job_changes_its_worker(api: Api, tmp_path: Path) -> None:
    draft = small_job(tmp_path)
    workspace = api.configuration.workspace
    accept(api.context, draft, "fake", workspace)
    engine: Any = api.context.find_engine("fake", workspace)
    engine.waits, engine.events = True, STORY[:3]

    async def change_worker() -> tuple[bytes, bytes]:
        start(api.context, "j1")
        while not draft.paths.job_log.exists() or FAKE_WORK not in draft.paths.job_log.read_text():
            await asyncio.sleep(0.02)
        job = api.store.jobs.get("j1")
        call = Call(job.workspace, "http://base")
        following = [
            asyncio.create_task(gather(stream))
            for stream in (follow_log(api, job, draft.paths.job_log), stream_events(api, call, job, 0))
        ]
        # the first one sees no end of its job: it is as if it were killed
        outcome = await asyncio.to_thread(execute, build_next(api, engine), "j1")
        assert outcome.status is Status.SUCCESSFUL, outcome
        log, events = await asyncio.gather(*following)
        return log, events

    log, events = asyncio.run(asyncio.wait_for(change_worker(), LONGEST_SECONDS))
    assert log.decode() == draft.paths.job_log.read_text()
    texts = [line.partition(" ")[2] for line in log.decode().splitlines()]
    for step, lines in (("index", 50), ("mask", 2)):
        printed = [text for text in texts if text.startswith(f"[{step}] ")]
        assert (len(printed), printed[0][:20]) == (lines + 2, f"[{step}] begins: {step}.py"[:20])
    assert texts.count("[engine] pod scheduled") == 1
    assert len(draft.paths.step_log("index").read_text().splitlines()) == 52
    numbers = [int(number) for number in re.findall(rb"(?m)^id: (\d+)$", events)]
    assert numbers == list(range(1, len(numbers) + 1))
    kinds = [json.loads(data).get("step") for data in re.findall(rb"(?m)^event: Step\w+\ndata: (.*)$", events)]
    assert kinds == ["index", "index", "mask", "mask"]
    stages = [event for _, event in api.store.events.read("j1") if isinstance(event, StageStarted)]
    assert stages == [StageStarted(Stage.EXECUTE, FAKE_WORK)]
