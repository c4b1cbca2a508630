"""What a pod that takes the place of a lost one finds of steps that had ended."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from zoo_runner.engines.kubernetes.job_pod import finished
from zoo_runner.engines.kubernetes.job_pod.finished import FinishedJobs, StepJob
from zoo_runner.engines.kubernetes.job_pod.request import RECORDS, Mount, StepRequest, read_request
from zoo_runner.model.codec import to_plain


class FakeTool:
    """What is asked of one of cwltool's tools."""

    def __init__(self, command: str = "echo", requirements: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.tool = {"id": "file:///run/package.json#tool", "baseCommand": command}
        self.requirements = [{"class": name, **body} for name, body in requirements.items()]
        self.hints: list[Any] = []

    def get_requirement(self, name: str) -> tuple[Any, bool]:
        return next((one for one in self.requirements if one["class"] == name), None), True


class Place:
    """The folder of a run with one input, and the pods that use it one after the other."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.input = self.write("inputs/data.txt", "data")
        self.begin()

    def write(self, name: str, text: str) -> Path:
        path = self.run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def begin(self) -> None:
        """Another pod."""
        self.jobs = FinishedJobs(self.run)
        self.jobs.clean()

    def identify(self, tool: FakeTool | None = None, **more: Any) -> StepJob | None:
        order = {"data": {"class": "File", "location": self.input.as_uri()}, **more}
        return self.jobs.identify(tool or FakeTool(), order)

    def end(self, job: StepJob | None, name: str = "out/first/out.txt") -> Path:
        """A job ends with one file."""
        path = self.write(name, "result")
        assert job
        self.jobs.keep(job, str(path.parent), {"text": {"class": "File", "location": path.as_uri(), "size": 1.50}})
        return path

    def finds(self, job: StepJob | None) -> bool:
        return job is not None and self.jobs.find(job) is not None


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_job_that_ended_is_known_to_the_next_pod_and_others_are_not(place: Place) -> None:
    path, unfinished = place.end(place.identify()), place.write("out/lost/half.txt", "ha")
    place.begin()
    assert (path.exists(), unfinished.parent.exists()) == (True, False)
    job = place.identify()
    assert job
    known = place.jobs.find(job)
    assert known
    assert (known.folder, known.outputs["text"]["location"]) == (str(path.parent), path.as_uri())
    # the second job of the same inputs, another value, another tool
    others = (place.identify(), place.identify(word="x"), place.identify(FakeTool("cat")))
    assert [place.finds(one) for one in others] == [False] * 3


@pytest.mark.parametrize("what", ["result gone", "result longer", "result newer", "input longer", "record cut"])
def test_what_is_not_as_it_was_is_run_again(place: Place, what: str) -> None:
    path = place.end(place.identify())
    match what:
        case "result gone":
            path.unlink()
        case "result longer":
            path.write_text("result and more")
        case "result newer":
            os.utime(path, ns=(1, 1))
        case "input longer":
            place.input.write_text("data and more")
        case "record cut":
            (record,) = (place.run / RECORDS).iterdir()
            record.write_bytes(record.read_bytes()[:-10])
    place.begin()
    assert not place.finds(place.identify())


def test_a_package_that_had_ended_is_known_until_its_outputs_are_others(place: Place) -> None:
    spec = {name: str(place.write(f"{name}.json", "{}")) for name in ("order", "package")}
    path = place.end(place.jobs.identify_package(spec), "outputs/text/out.txt")
    place.begin()
    assert place.finds(place.jobs.identify_package(spec))
    place.write("package.json", "[]")
    assert not place.finds(place.jobs.identify_package(spec))
    place.write("package.json", "{}")
    place.jobs.clean_outputs()
    assert not path.exists()
    assert not place.finds(place.jobs.identify_package(spec))


def test_inputs_that_were_staged_anew_are_the_same(place: Place) -> None:
    place.end(place.identify())
    os.utime(place.input, ns=(1, 1))
    place.begin()
    assert place.finds(place.identify())


@pytest.mark.parametrize(("before", "after", "known"), [("v1", "v1", True), ("v1", "v2", False), ("", "v1", False)])
def test_an_input_whose_source_has_another_version_of_the_same_size_is_another(
    place: Place, before: str, after: str, known: bool
) -> None:
    for version in (before, after):
        place.write("versions.json", json.dumps({str(place.input): f'"{version}"'} if version else {}))
        place.begin()
        if version == before and not (place.run / RECORDS).exists():
            place.end(place.identify())
    assert place.finds(place.identify()) == known


def test_steps_that_change_their_inputs_or_are_not_to_be_reused_have_no_record(place: Place) -> None:
    changing: Mapping[str, Any] = {"InplaceUpdateRequirement": {"inplaceUpdate": True}}
    for requirement in (changing, {"WorkReuse": {"enableReuse": False}}):
        assert place.identify(FakeTool(requirements=requirement)) is None
    assert place.identify(FakeTool(requirements={"WorkReuse": {"enableReuse": True}})) is not None


def test_what_cannot_be_recorded_fails_no_step(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(RECORDS, "a file")
    place.end(place.identify())
    (place.run / RECORDS).unlink()
    monkeypatch.setattr(finished, "MOST_FILES", 0)
    place.end(place.identify())
    assert not (place.run / RECORDS).exists()


def test_a_record_of_another_form_is_none(place: Place) -> None:
    place.end(place.identify())
    (record,) = (place.run / RECORDS).iterdir()
    for text in ("[]", "{}", json.dumps({"outputs": 1})):
        record.write_text(text)
        place.begin()
        assert not place.finds(place.identify())


@pytest.mark.parametrize("source", ["run", f"run/{RECORDS}", f"run/{RECORDS}/key"])
def test_no_step_mounts_the_records(source: str) -> None:
    request = StepRequest("s", "c", "image", (), "/w", {}, (Mount("/w", source, False),), 1, 1, 1, 1, 0, False, None)
    with pytest.raises(ValueError, match="not for steps"):
        read_request(to_plain(request))


def test_nothing_is_kept_once_a_file_cannot_be_written_to_the_disk(place: Place) -> None:
    outputs = {"text": {"class": "File", "location": place.write("out/first/out.txt", "result").as_uri()}}
    pipe = place.run / "out/first/pipe"
    os.mkfifo(pipe)
    place.jobs.sync({**outputs, "pipe": {"class": "File", "location": pipe.as_uri()}})
    job = place.identify()
    place.end(job)
    assert place.finds(job)
    unopenable = place.run / "out/first/socket"
    os.mknod(unopenable, stat.S_IFSOCK | 0o600)
    place.jobs.sync({"socket": {"class": "File", "location": unopenable.as_uri()}})
    job = place.identify(word="x")
    place.end(job)
    assert not place.finds(job)
