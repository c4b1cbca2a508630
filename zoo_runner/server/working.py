"""A worker as a process: it opens what it needs, works, and stops."""

import logging
import signal
from contextlib import ExitStack, suppress
from enum import Enum
from typing import TextIO

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.server import ServerSettings
from zoo_runner.metrics import serving_metrics
from zoo_runner.model.errors import EngineError
from zoo_runner.server.installation import open_context, open_store
from zoo_runner.server.log_lines import set_up_logging
from zoo_runner.server.tracing import keep_tracing
from zoo_runner.server.worker import Worker
from zoo_runner.server.worker_metrics import WorkerMetrics
from zoo_runner.store.sql.notices import Listener

logger = logging.getLogger(__name__)


class End(Enum):
    """How a worker has ended: it was stopped (`DONE`), also while jobs on a cluster go on (`LEFT`), or it is worn."""

    DONE = "done"
    LEFT = "left"
    WORN = "worn"


def work(
    settings: ServerSettings,
    configuration: Configuration,
    source: TextIO | None,
    sink: TextIO,
    metrics_address: tuple[str, int] | None = None,
) -> End:
    """Run jobs of the queue until `source` ends, or without one until SIGTERM or SIGINT.

    Running local jobs end first. Jobs on a cluster are left at once where there is no `source`: they go on, and any
    worker follows them. A worker that is worn is to be started anew: it has run enough jobs, or takes too much memory.
    Figures are served at `metrics_address`; raises `SettingsError` where that cannot be used.
    """
    set_up_logging(settings, configuration.workspace.secrets, "worker")
    store = open_store(settings, configuration)
    with ExitStack() as stack:
        stack.callback(store.close)
        context = open_context(store, settings, configuration)
        engine = context.find_engine(configuration.settings.engine, configuration.workspace)
        most_jobs = settings.remote_jobs if engine.capabilities.remote else 1
        metrics = WorkerMetrics() if metrics_address else None
        tracing = keep_tracing(settings, "worker", stack)
        worker = Worker(context, store.jobs, settings, most_jobs, tracing, metrics=metrics)
        if metrics and metrics_address:
            context.keeper.count = metrics.count_leases
            metrics.watch(worker, store.jobs.find_oldest_waiting)
            stack.enter_context(serving_metrics(metrics.registry, metrics_address))
        if source is None:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: worker.stop())
        listener = Listener(store.database, worker.look_at)
        worker.run(source, sink)
        listener.stop()
        end = End.WORN if worker.worn else End.LEFT if worker.follows else End.DONE
        if end is not End.DONE:
            logger.info("the worker starts anew" if end is End.WORN else "the worker leaves its jobs to others")
            # a lease that cannot be given back ends by itself
            with suppress(EngineError):
                store.jobs.release_all(context.owner)
        return end
