"""Several objects are read or created at the same time; what goes wrong with one is not lost."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from tests.loopback import serving_handler
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import Manifest


class Api:
    """Has the objects whose names begin with `there`, and refuses those that begin with `no`."""

    def __init__(self) -> None:
        self.created: list[str] = []

    def answer(self, name: str) -> tuple[int, Manifest]:
        if name.startswith("no"):
            return 403, {"kind": "Status", "reason": "Forbidden", "message": f"{name} is forbidden"}
        if name.startswith("there"):
            return 200, {"metadata": {"name": name}}
        return 404, {"kind": "Status", "reason": "NotFound", "message": f"{name} not found"}


@contextmanager
def serving(api: Api) -> Iterator[Cluster]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send(*api.answer(self.path.rpartition("/")[2]))

        def do_POST(self) -> None:
            manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = manifest["metadata"]["name"]
            if name.startswith("there"):
                self.send(409, {"kind": "Status", "reason": "AlreadyExists", "message": name})
            elif name.startswith("no"):
                self.send(*api.answer(name))
            else:
                api.created.append(name)
                self.send(201, manifest)

        def send(self, status: int, content: Manifest) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with serving_handler(Handler) as url, closing(Cluster(KubernetesSettings(api_url=url))) as cluster:
        yield cluster


def build(name: str) -> Manifest:
    return {"kind": "Secret", "metadata": {"name": name, "namespace": "a"}}


def test_objects_are_read_in_their_order_and_a_refusal_hides_none_of_the_others() -> None:
    with serving(Api()) as cluster:
        there, gone, refused, other = cluster.get_each([build(name) for name in ("there", "gone", "no", "there-2")])
    assert isinstance(refused, ApiError)
    assert (there, gone, refused.status, other) == (
        {"metadata": {"name": "there"}},
        None,
        403,
        {"metadata": {"name": "there-2"}},
    )


def test_objects_are_created_or_adopted_in_their_order() -> None:
    api = Api()
    with serving(api) as cluster:
        made = cluster.create_each([build(name) for name in ("a", "there", "b", "c", "d", "e")])
    assert [one["metadata"]["name"] for one in made] == ["a", "there", "b", "c", "d", "e"]
    assert sorted(api.created) == ["a", "b", "c", "d", "e"]


def test_the_first_refusal_is_raised_once_all_were_tried() -> None:
    api = Api()
    with serving(api) as cluster, pytest.raises(ApiError) as caught:
        cluster.create_each([build(name) for name in ("a", "no-1", "b", "no-2", "c")])
    assert (caught.value.status, "no-1" in str(caught.value)) == (403, True)
    assert sorted(api.created) == ["a", "b", "c"]
