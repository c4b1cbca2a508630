"""What surrounds every page: where it lies, the way back, and the same as JSON; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from starlette.types import Scope

from zoo_runner.server.pages.addresses import FORMAT

_TITLES = {
    "api": "Operations",
    "comparison": "Two jobs compared",
    "conformance": "Conformance classes",
    "definition": "Definition",
    "edit": "Edit inputs",
    "engine": "Engine",
    "execution": "Execution",
    "failures": "Failures by cause",
    "files": "Files",
    "inputs": "Inputs",
    "items": "Search a catalog",
    "links": "Link",
    "jobs": "Jobs",
    "logs": "Logs",
    "operations": "Operations",
    "people": "Who has jobs",
    "processes": "Processes",
    "results": "Results",
    "selection": "Several jobs",
    "secrets": "Secrets",
    "session": "Account",
    "tokens": "Tokens",
    "usage": "Workspace",
    "uses": "Use as input of…",
    "validation": "Validation",
}
_SECTIONS = {
    **dict.fromkeys(("comparison", "failures", "selection"), "jobs"),
    **dict.fromkeys(("operations", "people", "secrets", "tokens"), "usage"),
    **dict.fromkeys(("items", "uses"), "processes"),
}
NO_PAGE = ("files", "links", "selection")
"""Parts of a path that have no page of their own."""


LOGIN_STATE = "zoo_runner.login"
"""Where the scope of a request has what pages show of logins (`LoginState`); absent: nobody logs in."""


@dataclass(frozen=True)
class LoginState:
    """What pages show of logins: the address of the server, the login that leads back to the page, whether one holds.

    A session of which the browser has the cookie may have ended.
    """

    base: str
    login: str
    has_session: bool


@dataclass(frozen=True)
class Crumb:
    """A page above this one, or this one itself, which has no address."""

    title: str
    href: str | None


@dataclass(frozen=True)
class Frame:
    """What surrounds a page.

    `base` is the address of the API, None where there is none; `root` the path under which the server's own files lie;
    `query` are the parameters of the request without the format; `as_json` leads to the same document as JSON. `login`
    is None where nobody logs in.
    """

    base: str | None
    root: str
    section: str
    trail: tuple[Crumb, ...]
    query: tuple[tuple[str, str], ...]
    as_json: str
    is_read: bool
    login: LoginState | None = None

    @property
    def asked(self) -> Mapping[str, str]:
        """The parameters of the request; of those that are repeated, the last."""
        return dict(self.query)


def build_frame(scope: Scope, base: str | None) -> Frame:
    """Build the frame of a page from its request."""
    given = parse_qsl(scope["query_string"].decode("latin-1"))
    query = tuple((name, value) for name, value in given if name != FORMAT)
    trail = build_trail(scope["path"], base) if base else ()
    return Frame(
        base,
        _find_root(scope, base),
        _find_section(scope["path"], base),
        trail,
        query,
        f"?{urlencode([*query, (FORMAT, 'json')])}",
        scope["method"] in ("GET", "HEAD"),
        scope.get(LOGIN_STATE),
    )


def build_trail(path: str, base: str) -> tuple[Crumb, ...]:
    """Build the way from the landing page to a page."""
    parts = _list_parts(path, base)
    crumbs = [Crumb("Start", f"{base}/")]
    for number, part in enumerate(parts):
        href = "/".join((base, *parts[: number + 1])) if part not in NO_PAGE else None
        title = _TITLES.get(part, unquote(part)) if number != 1 else unquote(part)
        crumbs.append(Crumb(title, href))
    *above, own = crumbs
    return (*above, Crumb(own.title, None))


def _list_parts(path: str, base: str) -> list[str]:
    return [part for part in path.removeprefix(_find_mount(path, base)).split("/") if part]


def _find_mount(path: str, base: str) -> str:
    """Return the part of a path under which an API lies; a proxy may have taken off the begin of its address."""
    own = urlsplit(base).path.rstrip("/").split("/")
    candidates = ("/".join(("", *own[number:])) for number in range(1, len(own)))
    return next((one for one in candidates if path == one or path.startswith(f"{one}/")), "")


def _find_section(path: str, base: str | None) -> str:
    parts = _list_parts(path, base) if base else []
    return _SECTIONS.get(parts[0], parts[0]) if parts else ""


def _find_root(scope: Scope, base: str | None) -> str:
    """Return the path of the server's own address, without a slash at its end."""
    if base is None:
        return str(scope.get("root_path", ""))
    own = urlsplit(base).path.rstrip("/")
    mount = _find_mount(scope["path"], base)
    return own.removesuffix(mount) if mount else own
