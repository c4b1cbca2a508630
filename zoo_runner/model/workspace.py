"""A workspace: where its jobs run, what they may read, where their results are stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo_runner.model.remedies import Readers


@dataclass(frozen=True)
class Folders:
    """Folders of one workspace on this machine.

    `temp` has the logs and may be public. `state` is private and has the jobs. `scratch` has the data of a job while it
    runs. `installation` is the state folder of the installation, whose other workspaces have theirs below it; None:
    `state`.
    """

    temp: Path
    state: Path
    scratch: Path
    installation: Path | None = None

    @property
    def private_images(self) -> Path:
        """The folder that notes, for all workspaces, which images of this machine were pulled with credentials."""
        return (self.installation or self.state) / "private-images"

    @property
    def harvests(self) -> Path:
        """The folder that notes what was deployed from git repositories and messages."""
        return (self.installation or self.state) / ".harvest"


@dataclass(frozen=True)
class StorageProfile:
    """How the stagers reach the sources and the destination of a workspace, credentials included.

    `variables` are the stagers' settings by name (docs/settings.md), except for those that are fields here:
    `allowed_roots`, the folders of this machine that inputs may come from (None: any), `destination`, the place of
    results if a call names none, and `public_url`, the address under which they can be read.
    """

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    allowed_roots: tuple[Path, ...] | None = None
    destination: str | None = None
    public_url: str | None = None


MOST_LOG_BYTES = 64 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of each job of the workspace; None: no limit.

    `log_bytes` is how much of what a step prints is kept. `retention_days` is how long a job's record and logs are kept
    after its end.
    """

    time_seconds: float | None = None
    log_bytes: int = MOST_LOG_BYTES
    retention_days: float | None = None


@dataclass(frozen=True)
class Quota:
    """What a workspace may use at once; None: no limit.

    Jobs that run, jobs that wait for a worker, cores and MiB of memory that running jobs may take together, and MiB of
    stored results.
    """

    running_jobs: int | None = None
    queued_jobs: int | None = None
    cores: float | None = None
    memory_mib: float | None = None
    results_mib: float | None = None


@dataclass(frozen=True)
class Workspace:
    """A tenant, read from the settings by an adapter and passed down as a value, so that one process serves many.

    `namespace` is its namespace on a cluster, None: computed from its name. `secrets` are all values that must be
    masked in logs, records and messages of its jobs. `keeps_results`: those that cannot be stored wait on this machine
    for `zoo-runner publish`, which finds jobs in a state folder only. `storage_of` is the workspace whose inputs and
    outputs its jobs have, None: its own (see `lend_storage`), and `lent_secrets` those of that one. `pull_credentials`
    are Docker configurations for registries, beside those of the installation. `readers` are those of the logs of its
    jobs.
    """

    name: str
    folders: Folders
    storage: StorageProfile = field(default_factory=StorageProfile)
    namespace: str | None = None
    limits: Limits = field(default_factory=Limits)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    keeps_results: bool = True
    storage_of: str | None = None
    lent_secrets: tuple[str, ...] | None = field(default=None, repr=False)
    quota: Quota = field(default_factory=Quota)
    pull_credentials: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    readers: Readers = Readers.COMMANDS

    @property
    def input_secrets(self) -> tuple[str, ...]:
        """The secrets that inputs must not have in them; those of another workspace could be guessed by them."""
        return self.secrets if self.lent_secrets is None else self.lent_secrets


def lend_storage(executing: Workspace, own: Workspace) -> Workspace:
    """Return the workspace of a job that runs in one workspace with inputs and outputs of another, whose job it is."""
    secrets = tuple(dict.fromkeys((*executing.secrets, *own.secrets)))
    return replace(
        executing,
        storage=own.storage,
        secrets=secrets,
        storage_of=own.name,
        lent_secrets=own.secrets,
        quota=own.quota,
    )
