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


@pytest.mark.parametrize("process_id", ["1st", "a.b", "a b", "ä", "class", "json", "zoo_runner", "DeployProcess"])
def test_ids_that_a_kernel_cannot_run_are_refused_when_they_are_deployed(tmp_path: Path, process_id: str) -> None:
    with pytest.raises(UndefinedVariableInTemplate) as caught:
        render(tmp_path, process_id)
    assert "the_process_id_" in str(caught.value.error)


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
