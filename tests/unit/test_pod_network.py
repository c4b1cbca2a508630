"""What a pod finds of its network arrives in the rows of `doctor`."""

import socket

from zoo_runner.engines.kubernetes.pod_log import decode_line, encode_line
from zoo_runner.engines.kubernetes.pod_network import find_network, read_network
from zoo_runner.model.events import EngineLine
from zoo_runner.model.job import Outcome


def test_an_api_that_answers_and_one_that_does_not_are_distinguished() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reached = list(find_network("127.0.0.1", port))
    missed = list(find_network("127.0.0.1", port))
    found, refused = ({check.about: check for check in read_network(events)} for events in (reached, missed))
    assert found["API from a pod"].ok
    assert (refused["API from a pod"].ok, refused["API from a pod"].code) == (False, "engine.executor-network")
    assert refused["API from a pod"].remedy
    # a cluster without DNS runs jobs whose stores have no names
    assert found["DNS from a pod"].ok


def test_the_lines_survive_the_log_of_the_pod_and_other_lines_are_no_rows() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sent = list(find_network("127.0.0.1", server.getsockname()[1]))
    events = [decode_line(line) for event in sent for line in encode_line(event)]
    lines = [event for event in events if not isinstance(event, Outcome)]
    assert [check.about for check in read_network(lines)] == ["API from a pod", "DNS from a pod"]  # type: ignore[arg-type]
    assert list(read_network([EngineLine("info", "something else")])) == []
