"""What the pod of a smoke test reaches: found in the pod, sent as lines of its log, listed by `doctor`."""

import re
import socket
from collections.abc import Iterable, Iterator

from zoo_runner.engines.protocol import Check
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.events import EngineLine, Event

_CONNECT_SECONDS = 5.0
_NAME = "kubernetes.default.svc"
_LINE = re.compile(r"from a pod, (?P<about>API|DNS): (?P<found>.*)")


def find_network(host: str, port: int) -> Iterator[EngineLine]:
    """Yield a line for each thing that this pod reaches, or does not: the Kubernetes API, and the cluster's DNS."""
    try:
        with socket.create_connection((host, port), _CONNECT_SECONDS):
            yield EngineLine("info", f"from a pod, API: {host}:{port} answers")
    except OSError as error:
        yield EngineLine("error", f"from a pod, API: {host}:{port} does not answer: {error}")
    try:
        address = socket.getaddrinfo(_NAME, 443)[0][4][0]
        yield EngineLine("info", f"from a pod, DNS: {_NAME} is {address}")
    except OSError as error:
        # the names that jobs need are those of stores, which are tried besides
        yield EngineLine("info", f"from a pod, DNS: {_NAME} is unknown ({error}), as on a cluster without DNS")


def read_network(events: Iterable[Event]) -> Iterator[Check]:
    """Yield the findings of such lines; none of those of an older job image, which writes no such lines."""
    for event in events:
        if isinstance(event, EngineLine) and (match := _LINE.fullmatch(event.text)):
            ok, found = event.severity != "error", match["found"]
            expected = "pods reach the Kubernetes API" if match["about"] == "API" else "pods can look up names"
            remedy = "" if ok else "Check network policies, egress and kube-proxy of the node; steps cannot be run."
            code = "" if ok else "engine.executor-network"
            yield Check(ok, f"{match['about']} from a pod", found, expected, remedy, code, Level.PLATFORM)
