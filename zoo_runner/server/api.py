"""What every operation is given: the store, the settings, and of one request its workspace and its addresses."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Concatenate, ParamSpec, TypeVar
from urllib.parse import urlencode

from fastapi.concurrency import run_in_threadpool

from zoo_runner.access_documents import NOTHING_PUBLISHED, AccessDocument
from zoo_runner.config.configuration import Configuration
from zoo_runner.config.identity import IdentitySettings
from zoo_runner.config.profiles import Profile, StepToken
from zoo_runner.config.server import ServerSettings
from zoo_runner.execution.context import Context
from zoo_runner.model.errors import InputError, RunnerError
from zoo_runner.model.job import Job
from zoo_runner.model.step_token import IssuedToken
from zoo_runner.model.workspace import Workspace
from zoo_runner.package.resolver import WarmResolver
from zoo_runner.server.documents import Link
from zoo_runner.server.following import Following
from zoo_runner.server.installation import find_configuration, find_profile
from zoo_runner.server.places import Limit, Places
from zoo_runner.server.step_tokens import StepTokens
from zoo_runner.server.vault import Vault, open_vault
from zoo_runner.server.waiting import Endings
from zoo_runner.store.sql import SqlStore

_RESOLVING, _RESOLVING_LATER = Limit(most=6, share=3), Limit(most=40, share=10)
_DRAWING, _DRAWING_LATER = Limit(most=2, share=1), Limit(most=60, share=30)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Api:
    """The server's own parts; one for the whole process. `wake` has the workers look at a job now.

    `resolving` are the places for what waits for sources of others: packages and dry runs, `drawing` those for pictures
    of rasters, `downloading` those for files that are sent from buckets. `arriving` are the bytes of files that each
    workspace is being sent.
    """

    store: SqlStore
    settings: ServerSettings
    configuration: Configuration
    context: Context
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    endings: Endings = field(default_factory=Endings)
    following: Following = field(default_factory=Following)
    resolver: WarmResolver = field(default_factory=WarmResolver)
    resolving: Places = field(default_factory=lambda: Places(_RESOLVING, _RESOLVING_LATER))
    drawing: Places = field(default_factory=lambda: Places(_DRAWING, _DRAWING_LATER))
    downloading: Places = field(init=False)
    arriving: Counter[str] = field(default_factory=Counter)
    wake: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        most = self.settings.downloads
        share = (most + 1) // 2
        object.__setattr__(self, "downloading", Places(Limit(most, share), Limit(most, share)))

    def find_configuration(self, workspace: str, storage_of: str | None = None) -> Configuration:
        """Return what applies to a workspace, with the storage of another one if that is named."""
        return find_configuration(self.settings, self.configuration, workspace, storage_of, self.vault.read)

    def find_secrets(self, workspace: str | None) -> tuple[str, ...]:
        """Return what answers about a workspace must not show: the secrets of the server, and those of its profile."""
        own = self.configuration.workspace.secrets
        if workspace is None:
            return own
        try:
            return tuple(dict.fromkeys((*own, *self.find_configuration(workspace).workspace.secrets)))
        except RunnerError:
            # what cannot be read now is in no answer
            return own

    @cached_property
    def vault(self) -> Vault:
        """The secrets of workspaces."""
        return open_vault(self.store.secrets, self.settings)

    @cached_property
    def step_tokens(self) -> StepTokens:
        """The tokens that steps of jobs have."""
        return StepTokens(self.store.step_tokens, self.vault)

    def find_profile(self, workspace: str) -> Profile:
        """Return what the operator says of a workspace."""
        return find_profile(self.settings, workspace)

    def shows_collection(self, call: "Call") -> bool:
        """Whether results are a STAC Collection: as the profile of the workspace says, else at a data hub's API."""
        own = self.find_profile(call.workspace).collection
        return call.hub if own is None else own

    def find_workspace_of(self, job: Job) -> Workspace:
        """Return the workspace that executes a job, with the storage of the one whose job it is."""
        if job.runs_in:
            return self.find_configuration(job.runs_in, job.workspace).workspace
        return self.find_configuration(job.workspace).workspace

    async def read(self, operation: Callable[Concatenate["Api", P], T], *given: P.args, **named: P.kwargs) -> T:
        """Run an operation that reads little: at once where the database is a file, else in a thread.

        SQLite keeps readers from nothing, and to change threads takes longer than to read a row.
        """
        if self.store.database.is_file:
            return operation(self, *given, **named)
        return await run_in_threadpool(operation, self, *given, **named)


@dataclass(frozen=True)
class Call:
    """Of one request: its workspace, the address under which the workspace's API lies, and whether it is a data hub's.

    `base` has no slash at its end; `query` are the parameters of the request. A data hub's platform adds inputs of its
    own, expects results as a STAC Collection, and learns of wrong inputs by a failed job. `visible` are the processes
    that lists may show, with their jobs; None: all. `member_of` are the workspaces of the caller, None: nobody asks;
    `published` is what the workspace publishes. `hub_base` is the address below which the APIs of all workspaces lie.
    `admit_job` raises `RunnerError` for who may not have a job of a process of this workspace in the one that is named.
    `may` says whether the caller may do something else with the same process or job, by the name of the action, and
    `may_with` whether something with the job whose id is given. `exchange` returns a token for steps in exchange for
    that of the caller, None: who calls has none of the provider; it raises `RunnerError`. All four wait for the answer,
    so that a thread has to call them.
    """

    workspace: str
    base: str
    hub: bool = False
    caller: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    visible: frozenset[str] | None = None
    member_of: frozenset[str] | None = None
    published: AccessDocument = NOTHING_PUBLISHED
    hub_base: str | None = None
    admit_job: Callable[[str, str], None] = lambda _workspace, _process_id: None
    may: Callable[[str], bool] = lambda _action: True
    may_with: Callable[[str, str], bool] = lambda _action, _job_id: True
    exchange: Callable[[StepToken], IssuedToken] | None = None

    def is_member(self, workspace: str) -> bool:
        """Whether the caller is a member of a workspace; where nobody asks who calls, everybody is."""
        return self.member_of is None or workspace in self.member_of

    def at(self, workspace: str | None) -> "Call":
        """Return the same request as one to the API of another workspace, None: this one.

        Raises `InputError` where the server has none for each workspace.
        """
        if workspace is None or workspace == self.workspace:
            return self
        if self.hub_base is None:
            raise InputError(
                f"jobs of the workspace {workspace} cannot be reached at this server",
                "Ask the operator to set ZOO_RUNNER_WORKSPACE_PREFIX.",
                code="identity.workspace",
            )
        return replace(self, workspace=workspace, base=f"{self.hub_base}/{workspace}", published=NOTHING_PUBLISHED)

    def link(self, *parts: str) -> str:
        """Return the address of something below the workspace's API."""
        return "/".join((self.base, *parts))

    def link_pages(self, name: str, cursor: str | None) -> list[Link]:
        """Build the links of a list to itself and to its next page, which keeps the parameters of the request."""
        href, words = self.link(name), [(key, value) for key, value in self.query if key not in ("cursor", "skip")]
        links: list[Link] = [{"href": href, "rel": "self", "type": "application/json"}]
        if cursor:
            following = f"{href}?{urlencode([*words, ('cursor', cursor)])}"
            links.append({"href": following, "rel": "next", "type": "application/json"})
        return links
