import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import job_paths
from zoo_runner.model.errors import JobNotFoundError
from zoo_runner.model.ids import check_job_id, file_name, new_job_id


@given(st.text(max_size=400))
def test_any_text_becomes_one_file_name_that_stays_in_its_folder(text: str) -> None:
    name = file_name(text)
    assert name
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name.encode()) <= 120


@given(st.text(max_size=40), st.text(max_size=40))
def test_two_texts_never_become_one_file_name(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


def test_a_text_that_is_a_file_name_already_stays_as_it_is() -> None:
    assert file_name("water-index_2.1") == "water-index_2.1"


def test_long_texts_that_differ_at_their_end_keep_two_names() -> None:
    assert file_name("x" * 300 + "a") != file_name("x" * 300 + "b")


def test_a_new_job_id_is_a_job_id_and_new() -> None:
    assert check_job_id(new_job_id()) != check_job_id(new_job_id())


@pytest.mark.parametrize("job_id", ["", ".", "..", "../x", "a/b", "a..b", "-rf", "a b", "a\n", "a\0", "x" * 129, "é"])
def test_what_could_be_a_path_is_not_a_job_id(job_id: str) -> None:
    with pytest.raises(JobNotFoundError, match=re.escape(repr(job_id))) as caught:
        check_job_id(job_id)
    assert "letters, digits" in caught.value.diagnosis.remedy


def test_logs_lie_under_the_names_that_platforms_rely_on() -> None:
    paths = job_paths("water", "j1")
    assert paths.job_log == paths.temp / "water_j1_error.log"
    assert paths.log_folder == paths.temp / "water-j1"
    assert paths.stage_in_log == paths.log_folder / "node_stage_in.log"
    assert paths.stage_out_log == paths.log_folder / "node_stage_out.log"
    assert paths.step_log("index_2") == paths.log_folder / "index_2.log"
    assert paths.plan == paths.log_folder / "plan.json"
    assert paths.usage == paths.log_folder / "usage.json"


@pytest.mark.parametrize("step", ["../../etc/passwd", "a/b", ".hidden", "x" * 300, "ü"])
def test_no_step_name_leads_out_of_the_log_folder(step: str) -> None:
    paths = job_paths()
    assert paths.step_log(step).parent == paths.log_folder


@pytest.mark.parametrize("step", ["node_stage_in", "node_stage_out"])
def test_a_step_does_not_take_the_log_of_a_stage(step: str) -> None:
    paths = job_paths()
    assert paths.step_log(step) not in (paths.stage_in_log, paths.stage_out_log)
