"""How many requests this process has sent to the API of Kubernetes, for whoever shows figures."""

import threading
from collections import Counter
from collections.abc import Mapping

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
NO_ANSWER = 0
"""The status of a request that was not answered."""


class RequestCounts:
    """Requests by verb and status; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, int]] = Counter()

    def add(self, verb: str, status: int) -> None:
        """Count a request whose answer has begun, or that got none."""
        with self._lock:
            self._counts[verb, status] += 1

    def read(self) -> Mapping[tuple[str, int], int]:
        """Return how many there were by verb and status."""
        with self._lock:
            return dict(self._counts)


REQUESTS = RequestCounts()
"""Those of this process."""


def find_verb(method: str, path: str, query: Mapping[str, str]) -> str:
    """Return the verb of a request, as the permissions of Kubernetes name them; `log` is the reading of a log.

    >>> find_verb("GET", "/api/v1/namespaces/a/pods", {"watch": "true"})
    'watch'
    >>> find_verb("POST", "/api/v1/namespaces/a/pods", {})
    'create'
    """
    if method != "GET":
        return _VERBS.get(method, "other")
    if query.get("watch"):
        return "watch"
    return "log" if path.endswith("/log") else "get"
