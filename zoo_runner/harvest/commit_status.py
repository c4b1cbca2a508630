"""Shows the outcome of a run at its commit, as GitHub, GitLab and Gitea do for tests (their commit status APIs)."""

import json
from urllib.parse import quote, urlsplit

from zoo_runner.api_client import ApiClient, read_token
from zoo_runner.harvest.addresses import read_address
from zoo_runner.harvest.sources import Source
from zoo_runner.model.errors import EngineError
from zoo_runner.model.masking import Masker
from zoo_runner.model.printable import make_one_line
from zoo_staging.proxies import NO_PROXIES, Proxies

NAME = "zoo-runner harvest"
# GitHub takes 140 characters; the others more
_MOST_CHARACTERS = 140
_GITHUB = "https://api.github.com"


def build_status(source: Source, commit: str, good: bool, said: str) -> tuple[str, str, dict[str, str]]:
    """Build base, path and document of the request that shows a status at a commit; pure."""
    text = make_one_line(Masker().mask(said))
    text = text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
    (hostname, name), parts = read_address(source.url), urlsplit(source.url)
    is_web = parts.scheme in ("http", "https")
    host = f"{parts.scheme if is_web else 'https'}://{hostname}" + (f":{parts.port}" if is_web and parts.port else "")
    # several sources of one commit have a status each
    place = "/".join(filter(None, (source.workspace, source.folder)))
    place += f"#{source.branch}" if source.branches else ""
    label = f"{NAME}: {place}" if place else NAME
    if source.commit_status == "gitlab":
        path = f"/projects/{quote(name, safe='')}/statuses/{commit}"
        document = {"state": "success" if good else "failed", "name": label, "description": text}
        return source.status_api or f"{host}/api/v4", path, document
    document = {"state": "success" if good else "failure", "context": label, "description": text}
    default = f"{host}/api/v1"
    if source.commit_status == "github":
        default = _GITHUB if hostname == "github.com" else f"{host}/api/v3"
    return source.status_api or default, f"/repos/{quote(name)}/statuses/{commit}", document


def post_status(source: Source, commit: str, good: bool, said: str, proxies: Proxies = NO_PROXIES) -> None:
    """Have the git server show a status at a commit; raises `NotReachedError`, `EngineError`, `SettingsError`."""
    base, path, document = build_status(source, commit, good, said)
    client = ApiClient(base, read_token(source.status_token_file, "harvest.sources"), proxies)
    answer = client.call("POST", path, json.dumps(document).encode(), "Content-Type: application/json")
    if answer.status >= 300:
        raise EngineError(
            client.mask(
                f"{base} refuses the status of commit {commit[:12]}: HTTP {answer.status}: {answer.read_cause()}"
            ),
            "Check status-api and status-token-file of the source; its token needs the right to set commit statuses.",
            code="harvest.status",
        )
