"""What it adds to a request to ask who calls, and a policy agent whether they may, with many workspaces.

    python -m bench.authorisation [--workspaces 1000] [--requests 1000] [--no-page]

Needs the agent of `make opa`. Servers with and without are asked in turn. Exits with 1 where the limit is missed, and
writes its part of docs/bench.md.
"""

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter

from bench.commands import build_environ, describe_machine
from bench.options import whole
from bench.page import write_part
from tests.issuer import Issuer, issuer
from tests.opa import Agent, agent
from tests.serving import Server, serving

TITLE = "Authorisation"
PREFIX = "/ws"
MOST_MS = 3.0
_WARM_REQUESTS, _LONGEST_IDLE_SECONDS = 50, 2.0


@dataclass
class Side:
    """A server that is measured: how long its requests took, in milliseconds."""

    name: str
    connection: HTTPConnection
    taken: list[float] = field(default_factory=list)
    asked: float = 0.0

    def ask(self, workspace: str, headers: Mapping[str, str]) -> None:
        """Ask for the list of processes of a workspace, and take the time."""
        if perf_counter() - self.asked > _LONGEST_IDLE_SECONDS:
            # the server closes what is not used
            self.connection.close()
        started = self.asked = perf_counter()
        self.connection.request("GET", f"{PREFIX}/{workspace}/processes", headers=dict(headers))
        answer = self.connection.getresponse()
        answer.read()
        self.taken.append((perf_counter() - started) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{self.name}: {answer.status}")


def main() -> int:
    """Measure, print, write the page; 1 where the limit is missed."""
    parser = argparse.ArgumentParser(prog="bench.authorisation", description=__doc__)
    parser.add_argument("--workspaces", type=whole(), default=1000)
    parser.add_argument("--requests", type=whole(), default=1000)
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    given = parser.parse_args()
    names = [f"w{number}" for number in range(given.workspaces)]
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as folder, ExitStack() as stack:
        place = Path(folder)
        provider = stack.enter_context(issuer(place / "issuer"))
        access = {name: {"workflows": {"echo": {"access": "public"}}} for name in names}
        running = stack.enter_context(agent(place, access))
        sides = [_start(stack, place, name, more) for name, more in _list_settings(provider, running)]
        callers = {name: provider.sign(f"of-{name}", name) for name in names}
        _measure(sides, callers, given.requests)
        rows = list(_build_rows(sides))
    print("\n".join(rows))
    if not given.no_page:
        write_part(TITLE, _build_part("\n".join(rows), given.workspaces, given.requests))
    return 0 if all("missed" not in row for row in rows) else 1


def _list_settings(provider: Issuer, running: Agent) -> Iterator[tuple[str, dict[str, str]]]:
    policy = {**provider.settings, "ZOO_RUNNER_OPA_URL": running.url}
    yield "nobody is asked", {}
    yield "tokens", provider.settings
    yield "tokens and policy, each request a new decision", {**policy, "ZOO_RUNNER_OPA_CACHE": "0.000001"}
    yield "tokens and policy, decisions hold for 2 s", policy


def _start(stack: ExitStack, place: Path, name: str, more: Mapping[str, str]) -> Side:
    folder = place / f"side-{abs(hash(name))}"
    folder.mkdir()
    settings = {"ZOO_RUNNER_WORKSPACE_PREFIX": PREFIX, "ZOO_RUNNER_WORKERS": "1", "ZOO_RUNNER_LOG_LEVEL": "warning"}
    environ = {**build_environ(folder), **settings, **more}
    server: Server = stack.enter_context(serving(environ, folder))
    return Side(name, HTTPConnection("127.0.0.1", server.port))


def _measure(sides: list[Side], callers: Mapping[str, Mapping[str, str]], count: int) -> None:
    """Ask all sides in turn, about another workspace each time, in an order that is the same in each run."""
    chosen = random.Random(0)
    names = list(callers)
    for number in range(count + _WARM_REQUESTS):
        workspace = chosen.choice(names)
        for side in chosen.sample(sides, len(sides)):
            side.ask(workspace, callers[workspace])
        if number == _WARM_REQUESTS:
            for side in sides:
                side.taken.clear()


def _build_rows(sides: list[Side]) -> Iterator[str]:
    yield "| server | p50 | p95 | added, p50 | limit |"
    yield "|---|---|---|---|---|"
    least = statistics.median(sides[0].taken)
    for side in sides:
        middle, late = statistics.median(side.taken), statistics.quantiles(side.taken, n=20)[-1]
        added = middle - least
        limit = f"{MOST_MS:g} ms, {'kept' if added <= MOST_MS else 'missed'}" if side is not sides[0] else ""
        yield f"| {side.name} | {middle:.2f} ms | {late:.2f} ms | {f'{added:.2f} ms' if limit else ''} | {limit} |"


def _build_part(table: str, workspaces: int, requests: int) -> str:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    return f"""Written by `python -m bench.authorisation` on {today}: {workspaces} workspaces with a caller and an
access document each, {requests} requests to each server; {describe_machine()}.

{table}

Lists of processes, each of a workspace by chance, over one connection to each server; the servers are asked in turn.
The agent is a real Open Policy Agent on the same machine with `deploy/opa/policy.rego`."""


if __name__ == "__main__":
    sys.exit(main())
