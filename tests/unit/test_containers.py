import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.values import configuration_in, small_package
from zoo_runner.config.server import ServerSettings
from zoo_runner.config.settings import Settings, load_settings
from zoo_runner.engines.local.containers import (
    ContainerNeeds,
    Puller,
    choose_runtime,
    ensure_images,
    find_container_needs,
    find_missing_images,
    name_containers,
    remove_containers_of,
)
from zoo_runner.engines.local.engine import LocalEngine
from zoo_runner.engines.local.places import place_steps
from zoo_runner.engines.local.registries import Registries, select_auths
from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, TimeLimitError
from zoo_runner.model.events import EngineLine, Event
from zoo_runner.model.package import Package
from zoo_runner.server.installation import find_configuration


def find_needs(package: Package) -> ContainerNeeds:
    return find_container_needs(place_steps(package, load_settings({})))


def build_puller(
    runtime: str, settings: Settings, *configurations: dict[str, Any], folder: Path | None = None
) -> Puller:
    place = folder or Path("/nonexistent")
    return Puller(runtime, settings, Registries(configurations, place / "private", place / "marks"))


REQUIRED = find_needs(small_package(requirements=[{"class": "DockerRequirement", "dockerPull": "r:1"}]))
HINTED = find_needs(small_package(hints=[{"class": "DockerRequirement", "dockerPull": "h:1"}]))
NOTHING = find_needs(small_package())


class Programs:
    """A PATH on which stand container engines that answer as set up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, script: str) -> str:
        program = self.folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        return str(program)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    monkeypatch.setenv("PATH", str(tmp_path))
    return Programs(tmp_path)


def test_requirements_and_hints_are_distinguished_wherever_they_stand() -> None:
    assert (REQUIRED.required, REQUIRED.hinted) == (("r:1",), ())
    assert (HINTED.required, HINTED.hinted) == ((), ("h:1",))
    by_name = find_needs(small_package(requirements={"DockerRequirement": {"dockerPull": "m:1"}}))
    assert by_name.required == ("m:1",)
    in_step = small_package(
        **{"class": "Workflow"},
        steps=[
            {
                "id": "#main/s",
                "run": {"class": "CommandLineTool"},
                "hints": [{"class": "DockerRequirement", "dockerImageId": "local", "dockerPull": "x"}],
            }
        ],
    )
    assert find_needs(in_step).images == ("local",)


def test_a_package_without_images_needs_no_container(programs: Programs) -> None:
    assert choose_runtime(NOTHING, "auto") is None
    assert choose_runtime(NOTHING, "docker") is None


def test_podman_comes_first_and_who_does_not_answer_is_passed_over(programs: Programs) -> None:
    programs.put("docker", "exit 0")
    programs.put("podman", "exit 0")
    assert choose_runtime(HINTED, "auto") == "podman"
    programs.put("podman", "exit 1")
    assert choose_runtime(HINTED, "auto") == "docker"


def test_a_hint_is_run_without_container_where_none_answers(programs: Programs) -> None:
    assert choose_runtime(HINTED, "auto") is None
    assert choose_runtime(HINTED, "none") is None


@pytest.mark.parametrize(("wanted", "facts"), [("auto", ("(r:1)", "podman", "docker")), ("none", ("(r:1)", "off"))])
def test_a_requirement_is_refused_where_none_answers(programs: Programs, wanted: str, facts: tuple[str, ...]) -> None:
    with pytest.raises(EngineError) as caught:
        choose_runtime(REQUIRED, "auto" if wanted == "auto" else "none")
    assert caught.value.diagnosis.code == "containers.unavailable"
    assert all(fact in str(caught.value) for fact in facts)


def test_a_refusal_where_isolation_needs_containers_names_isolation_and_its_settings(programs: Programs) -> None:
    with pytest.raises(EngineError) as caught:
        choose_runtime(REQUIRED, "auto", isolated=True)
    assert caught.value.diagnosis.code == "containers.unavailable"
    said = caught.value.diagnosis.cause + caught.value.diagnosis.remedy
    assert all(f"ZOO_RUNNER_{name}" in said for name in ("ISOLATION", "DEFAULT_IMAGE", "CONTAINERS=sandbox"))


def test_an_engine_that_was_asked_for_by_name_must_answer(programs: Programs) -> None:
    programs.put("podman", "exit 0")
    with pytest.raises(EngineError, match="docker") as caught:
        choose_runtime(HINTED, "docker")
    assert caught.value.diagnosis.code == "containers.unavailable"


@pytest.mark.parametrize("job_id", ["run", "r.n"])
def test_the_containers_of_a_job_are_removed_and_not_those_of_neighbours(
    job_id: str, programs: Programs, tmp_path: Path
) -> None:
    own, other = (f"{name_containers(one)}{'0a' * 16}" for one in (job_id, "rxn"))
    neighbours = [f"{name_containers(job_id)}2-{'0a' * 16}", f"{name_containers(job_id)}2", f"x{own}", other]
    listed = "\n".join((*neighbours, f"{own},alias"))
    script = f'if [ "$1" = ps ]; then echo "{listed}"; else echo "$@" >> {tmp_path}/asked; fi'
    settings = load_settings({"ZOO_RUNNER_ISOLATION": "isolated"})
    remove_containers_of(job_id, tmp_path, programs.put("podman", script), settings)
    assert (tmp_path / "asked").read_text().split() == ["rm", "--force", own]


def test_an_image_that_is_there_is_not_pulled(programs: Programs) -> None:
    runtime = programs.put("podman", '[ "$1 $2" = "image inspect" ] && echo 0a')
    reported: list[Event] = []
    ensure_images(build_puller(runtime, load_settings({})), ("a:1", "b:1"), reported.append, Cancellation())
    assert reported == []


def test_an_image_that_is_not_there_is_pulled_and_that_is_reported(programs: Programs) -> None:
    runtime = programs.put("podman", '[ "$1" = pull ]')
    reported: list[Event] = []
    ensure_images(build_puller(runtime, load_settings({})), ("a:1",), reported.append, Cancellation())
    assert [event.text for event in reported if isinstance(event, EngineLine)] == [f"pulling image a:1 with {runtime}"]


@pytest.mark.parametrize(
    ("said", "code", "level"),
    [
        ("Error: reading manifest 1: manifest unknown", "image.not-found", Level.USER),
        ("Error: unauthorized: access to the resource", "image.forbidden", Level.USER),
        ("reading manifest 1 in 127.0.0.1:40312/a: manifest unknown", "image.not-found", Level.USER),
        ("invalid status code from registry 403 (Forbidden)", "image.forbidden", Level.USER),
        ("denied: requested access", "image.forbidden", Level.USER),
        ("dial tcp: lookup docker.io: no such host", "image.unreachable", Level.PLATFORM),
        ("Error: something else", "image.unavailable", Level.ENGINE),
        (
            "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit. You may"
            " increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit",
            "image.unavailable",
            Level.ENGINE,
        ),
    ],
)
def test_a_pull_that_fails_is_explained(programs: Programs, said: str, code: str, level: Level) -> None:
    runtime = programs.put("podman", f'[ "$1" = image ] && exit 1; echo "{said}" >&2; exit 125')
    with pytest.raises(EngineError, match="image a:1") as caught:
        ensure_images(build_puller(runtime, load_settings({})), ("a:1",), lambda _: None, Cancellation())
    assert (caught.value.diagnosis.code, caught.value.diagnosis.level) == (code, level)
    assert caught.value.diagnosis.evidence == (said,)


def test_images_that_neither_this_machine_nor_their_registry_has_are_found_and_none_is_pulled(
    programs: Programs,
) -> None:
    script = """
    case "$1 $2 $3" in
      "image inspect --format={{.Id}}") [ "$5" = here:1 ] && echo 0a; exit;;
      "manifest inspect --") image=$4 ;;
    esac
    case "$image" in
      there:1) exit 0;;
      none:1) echo "Error: reading manifest 1: manifest unknown" >&2; exit 125;;
      away:1) echo "$HTTPS_PROXY: connection refused" >&2; exit 125;;
      *) exit 3;;
    esac
    """
    runtime, settings = programs.put("podman", script), load_settings({"HTTPS_PROXY": "http://proxy"})
    found = list(find_missing_images(build_puller(runtime, settings), ("here:1", "there:1", "none:1", "away:1")))
    assert [error.diagnosis.code for error in found] == ["image.not-found", "image.unreachable"]
    assert found[1].diagnosis.evidence == ("http://proxy: connection refused",)


def test_a_pull_stops_with_its_job(programs: Programs) -> None:
    runtime = programs.put("podman", '[ "$1" = image ] && exit 1; exec /bin/sleep 300')
    cancellation = Cancellation(5)

    def stop(_: Event) -> None:
        cancellation.cancel(Reason.TIME_LIMIT)

    with pytest.raises(TimeLimitError):
        ensure_images(build_puller(runtime, load_settings({})), ("a:1",), stop, cancellation)


def test_a_pull_knows_the_proxies_of_the_caller(programs: Programs) -> None:
    runtime = programs.put("podman", '[ "$1" = image ] && exit 1; echo "$HTTPS_PROXY" >&2; exit 1')
    with pytest.raises(EngineError) as caught:
        puller = build_puller(runtime, load_settings({"HTTPS_PROXY": "http://proxy"}))
        ensure_images(puller, ("a:1",), lambda _: None, Cancellation())
    assert caught.value.diagnosis.evidence == ("http://proxy",)


CONFIGURATION = {"auths": {"registry.example": {"auth": "c2VjcmV0"}}}
# it gives the private image to who has the password, and notes what it was shown
GIVES = """
case "$1" in
  image) [ -e {folder}/there ] && echo sha256:0b || exit 1;;
  images) echo sha256:0a;;
  pull) cp "$REGISTRY_AUTH_FILE" {folder}/shown 2>/dev/null || {{ echo unauthorized >&2; exit 125; }}
    ls -l "$REGISTRY_AUTH_FILE" | cut -c1-10 > {folder}/mode; touch {folder}/there;;
esac
"""


def test_the_credentials_of_a_workspace_are_for_the_pull_alone_and_its_image_for_nobody_else(
    programs: Programs, tmp_path: Path
) -> None:
    runtime, settings = programs.put("podman", GIVES.format(folder=tmp_path)), load_settings({})
    own = build_puller(runtime, settings, CONFIGURATION, folder=tmp_path)
    image = "registry.example/private/tool:1"
    ensure_images(own, (image,), lambda _: None, Cancellation())
    assert json.loads((tmp_path / "shown").read_text()) == CONFIGURATION
    assert (tmp_path / "mode").read_text().strip() == "-rw-------"
    assert list((tmp_path / "private").iterdir()) == []
    # whoever asks for what is here now, by this or another name, has to show credentials too
    (tmp_path / "shown").unlink()
    others = build_puller(runtime, settings, folder=tmp_path)
    for name in (image, "registry.example/private/tool@sha256:00", "0b"):
        with pytest.raises(EngineError) as caught:
            ensure_images(others, (name,), lambda _: None, Cancellation())
        assert caught.value.diagnosis.code == "image.forbidden"
    ensure_images(own, (image,), lambda _: None, Cancellation())
    assert (tmp_path / "shown").exists()


def test_which_images_are_private_is_state_that_all_workspaces_share_and_the_cache_does_not_have(
    programs: Programs, tmp_path: Path
) -> None:
    runtime, image = programs.put("podman", GIVES.format(folder=tmp_path)), "registry.example/private/tool:1"
    configuration, server = configuration_in(tmp_path), ServerSettings(results=tmp_path / "results")

    def open_puller(name: str, *credentials: dict[str, Any]) -> Puller:
        found = find_configuration(server, configuration, name)
        assert found.workspace.readers == "api"
        engine: Any = LocalEngine(replace(found, workspace=replace(found.workspace, pull_credentials=credentials)))
        puller: Puller = engine._build_puller(runtime)
        return puller

    ensure_images(open_puller("alpha", CONFIGURATION), (image,), lambda _: None, Cancellation())
    shutil.rmtree(configuration.settings.cache, ignore_errors=True)
    for name in ("alpha", "beta", configuration.workspace.name):
        assert not open_puller(name).has(image)


@pytest.mark.parametrize(
    ("image", "key", "is_for"),
    [
        ("registry.example/a:1", "https://registry.example/v2/", True),
        ("registry.example/a/b:1", "registry.example/a", True),
        ("registry.example/ab:1", "registry.example/a", False),
        ("registry.example.org/a:1", "registry.example", False),
        ("debian:12", "https://index.docker.io/v1/", True),
        ("eo/ndvi:1", "docker.io", True),
        ("localhost:5000/a:1", "docker.io", False),
    ],
)
def test_credentials_are_for_the_images_of_their_registry(image: str, key: str, is_for: bool) -> None:
    assert bool(select_auths(image, ({"auths": {key: {"auth": "eA=="}}},))) is is_for
