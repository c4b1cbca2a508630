"""The service template, rendered by the cookiecutter that the kernel's deploy service uses."""

import ast
import subprocess
from pathlib import Path

import pytest
from cookiecutter.exceptions import UndefinedVariableInTemplate
from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).parents[2] / "template"


def render(target: Path, process_id: str, template: str = str(TEMPLATE)) -> Path:
    context = {"service_name": process_id, "workflow_id": process_id, "conf": "[cookiecutter]"}
    return Path(cookiecutter(template, no_input=True, extra_context=context, output_dir=str(target)))


def test_a_folder_of_the_processes_name_holds_package_service_and_room_for_the_cwl(tmp_path: Path) -> None:
    folder = render(tmp_path, "water-index")
    assert folder == tmp_path / "water-index"
    assert {path.name for path in folder.iterdir()} == {"__init__.py", "service.py", "app-package.cwl"}


def test_the_function_that_the_kernel_calls_has_underscores_for_hyphens(tmp_path: Path) -> None:
    tree = ast.parse((render(tmp_path, "water-index-2") / "service.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert [(node.name, [each.arg for each in node.args.args]) for node in functions] == [
        ("water_index_2", ["conf", "inputs", "outputs"])
    ]


def test_the_service_has_no_logic_of_its_own(tmp_path: Path) -> None:
    tree = ast.parse((render(tmp_path, "water") / "service.py").read_text())
    assert len(tree.body) <= 7
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.If | ast.Try | ast.While | ast.For)]


@pytest.mark.parametrize("process_id", ["1st", "a.b", "a b", "ä", "class"])
def test_ids_that_a_kernel_cannot_call_are_refused_when_they_are_deployed(tmp_path: Path, process_id: str) -> None:
    with pytest.raises(UndefinedVariableInTemplate) as caught:
        render(tmp_path, process_id)
    assert "the_process_id_must_be" in str(caught.value.error)


@pytest.mark.parametrize("process_id", ["json", "requests", "typing_extensions", "rich", "zoo_runner", "idlelib"])
def test_an_id_that_would_hide_a_module_from_later_deploys_is_refused(tmp_path: Path, process_id: str) -> None:
    with pytest.raises(UndefinedVariableInTemplate) as caught:
        render(tmp_path, process_id)
    assert "is_the_name_of_a_python_module" in str(caught.value.error)


def test_a_service_of_the_kernel_is_not_hidden_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgi-bin").mkdir()
    (tmp_path / "cgi-bin" / "DeployProcess.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "cgi-bin")
    with pytest.raises(UndefinedVariableInTemplate):
        render(tmp_path / "alice", "DeployProcess")


def test_a_process_may_be_deployed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path / "alice")
    for folder in ("alice", "once-more"):
        assert (render(tmp_path / folder, "water_index") / "service.py").exists()


def test_the_published_repository_renders_as_the_folder_does_and_publishing_may_be_repeated(tmp_path: Path) -> None:
    repository = tmp_path / "template.git"
    for said in ("published", "is up to date"):
        command = ["sh", str(TEMPLATE / "publish.sh"), str(repository)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert said in done.stdout
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "-b", "main", str(repository), str(clone)], check=True)
    rendered = render(tmp_path / "a", "water", str(clone)) / "service.py"
    assert rendered.read_text() == (render(tmp_path / "b", "water") / "service.py").read_text()


def test_a_repository_that_zoo_would_not_take_is_refused() -> None:
    done = subprocess.run(["sh", str(TEMPLATE / "publish.sh"), "/srv/x"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "does not end in .git" in done.stderr
