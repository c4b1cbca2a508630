"""Which messages of GitHub, GitLab and Gitea are genuine, and which sources a push concerns; pure.

GitHub and Gitea sign the body (HMAC-SHA256) in `X-Hub-Signature-256`, older Gitea in `X-Gitea-Signature`; GitLab sends
the secret itself in `X-Gitlab-Token`.
"""

import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

from zoo_runner.harvest.addresses import find_place
from zoo_runner.harvest.branches import matches_branch
from zoo_runner.harvest.sources import Source

_BRANCH = "refs/heads/"
_ADDRESSES = ("clone_url", "ssh_url", "git_url", "html_url", "git_http_url", "git_ssh_url", "http_url", "web_url")


def is_genuine(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether a message was sent by one who knows the secret. Names of headers are in lower case."""
    expected = hmac.new(secret.encode(), body, "sha256").hexdigest()
    signature = headers.get("x-hub-signature-256", "").removeprefix("sha256=") or headers.get("x-gitea-signature", "")
    given, right = (signature, expected) if signature else (headers.get("x-gitlab-token", ""), secret)
    return hmac.compare_digest(given.encode(), right.encode())


def find_pushed(body: bytes, sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """Return the sources that a message concerns: none for what is no push; raises `ValueError` for no JSON object."""
    try:
        message = json.loads(body)
    except RecursionError as error:
        raise ValueError("the message is nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("the message is no JSON object")  # noqa: TRY004 what callers expect
    ref = message.get("ref")
    if not isinstance(ref, str) or not ref.startswith(_BRANCH):
        return ()
    branch, places = ref.removeprefix(_BRANCH), set(_list_places(message))
    # the default branch of a repository may have been changed since: any branch may be the one of an empty name
    return tuple(one for one in sources if find_place(one.url) in places and _is_of(branch, one))


def _is_of(branch: str, source: Source) -> bool:
    return matches_branch(source.branches, branch) if source.is_of_many else source.branch in ("", branch)


def _list_places(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for holder in (message.get("repository"), message.get("project")):
        given = holder if isinstance(holder, dict) else {}
        for name in _ADDRESSES:
            if isinstance(given.get(name), str):
                yield find_place(given[name])
