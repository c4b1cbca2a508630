"""Which workspace executes a process, and whose job that is: every kind of process and caller."""

from pathlib import Path

import pytest

from tests.unit.messages import Check
from zoo_runner.access_documents import Kind
from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.accept import find_secret_values
from zoo_runner.model.errors import InputError
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Folders, StorageProfile, Workspace, lend_storage
from zoo_runner.server.access.workspaces import Workspaces, choose_calling, find_workspaces

OWN, OTHER = "alpha", "beta"


@pytest.mark.parametrize(
    ("kind", "calling", "executing"),
    [
        (Kind.PRIVATE, OWN, OWN),
        (Kind.PUBLIC, OWN, OWN),
        (Kind.USER_SERVICE, OWN, OWN),
        (Kind.PUBLIC, OTHER, OTHER),
        (Kind.USER_SERVICE, OTHER, OWN),
    ],
)
def test_a_public_process_runs_in_the_workspace_of_its_caller_and_a_user_service_in_its_owners(
    kind: Kind, calling: str, executing: str
) -> None:
    assert find_workspaces(kind, OWN, calling) == Workspaces(OWN, calling, executing)


def test_a_private_process_does_not_run_for_others(check: Check) -> None:
    with pytest.raises(InputError) as caught:
        find_workspaces(Kind.PRIVATE, OWN, OTHER)
    check(caught.value, "workspace.private", OWN, OTHER)


@pytest.mark.parametrize(
    ("member_of", "wanted", "calling"),
    [
        (None, None, OWN),
        # where nobody is asked who calls, nobody can choose either
        (None, OTHER, OWN),
        ({OWN}, None, OWN),
        ({OWN, OTHER}, None, OWN),
        ({OWN, OTHER}, OTHER, OTHER),
        ({OTHER}, None, OTHER),
        ({OTHER}, OTHER, OTHER),
        ({OTHER, "gamma"}, "gamma", "gamma"),
    ],
)
def test_the_calling_workspace_is_the_wanted_one_or_that_of_the_process_or_the_only_one(
    member_of: set[str] | None, wanted: str | None, calling: str
) -> None:
    assert choose_calling(OWN, None if member_of is None else frozenset(member_of), wanted) == calling


@pytest.mark.parametrize(
    ("member_of", "wanted", "code"),
    [
        ({OTHER}, OWN, "identity.workspace"),
        ({OWN}, OTHER, "identity.workspace"),
        (set(), None, "workspace.choice"),
        ({OTHER, "gamma"}, None, "workspace.choice"),
    ],
)
def test_a_workspace_of_others_or_one_of_several_is_not_chosen(
    member_of: set[str], wanted: str | None, code: str, check: Check
) -> None:
    with pytest.raises(InputError) as caught:
        choose_calling(OWN, frozenset(member_of), wanted)
    check(caught.value, code)


def build(name: str) -> Workspace:
    folders = Folders(*((f"/{name}/{part}") for part in ("temp", "state", "scratch")))  # type: ignore[arg-type]
    storage = StorageProfile({"AWS_ACCESS_KEY_ID": name}, destination=f"s3://{name}")
    return Workspace(name, folders, storage, namespace=f"ws-{name}", secrets=(f"secret of {name}",))


def test_a_user_service_has_folders_and_namespace_of_its_owner_and_the_storage_of_its_caller() -> None:
    lent = lend_storage(build(OWN), build(OTHER))
    assert (lent.name, lent.namespace, lent.folders) == (OWN, "ws-alpha", build(OWN).folders)
    assert (lent.storage, lent.storage_of) == (build(OTHER).storage, OTHER)
    # neither secret may be shown
    assert set(lent.secrets) == {"secret of alpha", "secret of beta"}


def test_inputs_of_a_user_service_are_compared_with_secrets_of_their_own_workspace_only() -> None:
    lent = lend_storage(build(OWN), build(OTHER))
    order = {"guess": "secret of alpha", "own": "the secret of beta", "plain": "x"}
    package = Package({"cwlVersion": "v1.2", "class": "Workflow", "inputs": []}, "#main", "w", {}, "a" * 64)
    draft = JobSpec(JobPaths("w", "job", Path("/t"), Path("/s"), Path("/d")), package, order, "s3://beta")
    assert set(find_secret_values(draft, lent)) == {"own"}
    assert set(find_secret_values(draft, build(OWN))) == {"guess"}
