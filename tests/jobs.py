"""Jobs of the double of an engine, at the points of their lives at which tests look at them."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tests.values import small_job
from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.engines.protocol import Handle, JobSpec
from zoo_runner.execution.accept import accept
from zoo_runner.execution.context import Context, open_context
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import Event, Report
from zoo_runner.model.job import Status
from zoo_runner.package.extensions import SECRETS


class TalkingEngine(FakeEngine):
    """Reports events before it ends."""

    events: tuple[Event, ...] = ()

    def follow(self, handle: Handle, report: Report, cancellation: Cancellation) -> Any:
        for event in self.events:
            report(event)
        return super().follow(handle, report, cancellation)


def accepted(context: Context, folder: Path, job_id: str = "j1", **more: Any) -> JobSpec:
    draft = small_job(folder, job_id=job_id, **more)
    accept(context, draft, "fake", context.find_workspace(""))
    return draft


def elsewhere(configuration: Configuration, engine: FakeEngine) -> Context:
    """Another process with the same store."""
    return open_context(configuration, engine)


def build_secret_job(folder: Path) -> JobSpec:
    inputs = [{"id": f"#main/{name}", "type": ["null", "string"]} for name in ("token", "user", "absent")]
    order = {"token": "canary-t", "user": "ada", "absent": None}
    hints = [{"class": SECRETS, "secrets": ["token", "absent"]}]
    return small_job(folder, {name: value for name, value in order.items() if value}, inputs=inputs, hints=hints)


def leave_submitted(context: Context, engine: FakeEngine, folder: Path) -> JobSpec:
    """A job whose process was killed while it followed: handle and half of a log are there, and the engine has it."""
    draft = accepted(context, folder)
    plan = engine.plan(draft)
    engine.submit(plan, lambda _: None, Cancellation())
    job = context.store.get("j1").moved_to(Status.RUNNING, "2026-01-01T00:00:00.000Z")
    context.store.update(replace(job, handle=asdict(plan.handle)))
    draft.paths.job_log.parent.mkdir(parents=True, exist_ok=True)
    draft.paths.job_log.write_text("half of the story\n")
    return draft
