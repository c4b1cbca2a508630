"""A launcher that a package took over leaves in its scratch folder what those trust who read it afterwards."""

import json

import pytest

from tests.attacks.hostile import Document, Host, find_canary, output, tool
from tests.site import Site, Story
from zoo_runner.engines.cwl_process.supervised import Supervised
from zoo_runner.engines.local import engine as local_engine
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.job import Status

# in place of the launcher; `return_outputs` claims what its outputs are
TAKEN_OVER = """
import json, os, shutil, sys
scratch = json.loads(sys.stdin.readline())["scratch"]
os.chdir(scratch)
host = sys.argv[1]
def replace(name):
    if os.path.isdir(name):
        shutil.rmtree(name)
    elif os.path.lexists(name):
        os.unlink(name)
def link(name, target):
    replace(name)
    os.symlink(target, name)
def pipe(name):
    replace(name)
    os.mkfifo(name)
def write(name, content):
    replace(name)
    with open(name, "w") as file:
        file.write(content)
def return_outputs(*values):
    write("outputs.json", json.dumps({"o": values[0] if len(values) == 1 else list(values)}))
def file(path, **more):
    return {"class": "File", "location": "file://" + path, **more}
write("outputs/o.txt", "made")
return_outputs(file(f"{scratch}/outputs/o.txt"))
exec(sys.argv[2])
"""
STEALING = {
    "a link as the folder of outputs": "link('outputs', '/'); return_outputs(file(f'{scratch}/outputs{host}'))",
    "a link as a file": "link('outputs/o.txt', host)",
    "a link as a folder": "link('outputs/x', os.path.dirname(host));"
    " return_outputs(file(f'{scratch}/outputs/x/secret.txt'))",
    "a foreign file": "return_outputs(file(host))",
    "a step up": "return_outputs(file(f'{scratch}/outputs/../../../..{host}'))",
    "a secondary file": "return_outputs(file(f'{scratch}/outputs/o.txt', secondaryFiles=[file(host)]))",
    "a link in a folder": "os.mkdir('outputs/x'); link('outputs/x/o.txt', host);"
    " return_outputs({'class': 'Directory', 'location': f'{scratch}/outputs/x'})",
    "a listing": "return_outputs({'class': 'Directory', 'basename': 'x', 'listing': [file(host)]})",
    "a link as the object": "link('outputs.json', host)",
}
BREAKING = {
    "no object": "replace('outputs.json')",
    "a pipe as the object": "pipe('outputs.json')",
    "a folder as the object": "replace('outputs.json'); os.mkdir('outputs.json')",
    "a device as the object": "link('outputs.json', '/dev/zero')",
    "an object without end": "write('outputs.json', ''); os.truncate('outputs.json', 1 << 40)",
    "an object of many levels": "write('outputs.json', '[' * 200_000)",
    "a list": "write('outputs.json', '[]')",
    "half an object": "write('outputs.json', '{')",
    "outputs with other names": "write('outputs.json', '{\"p\": 1}')",
    "a file without a place": "return_outputs({'class': 'File'})",
    "a file whose place is a number": "return_outputs({'class': 'File', 'location': 1})",
    "a file with a list as its name": "return_outputs(file(f'{scratch}/outputs/o.txt', basename=['x']))",
    "files in files": 'write(\'outputs.json\', \'{"o": {"class": "File", "secondaryFiles": [\' * 100_000)',
    "a file with a path as its name": "return_outputs(file(f'{scratch}/outputs/o.txt', basename='../x'))",
    "secondary files that are a number": "return_outputs(file(f'{scratch}/outputs/o.txt', secondaryFiles=7))",
    "secondary files that are words": "return_outputs(file(f'{scratch}/outputs/o.txt', secondaryFiles=['x']))",
    "a listing that is a word": "return_outputs({'class': 'Directory', 'basename': 'x', 'listing': 'x'})",
    "a listing of lists": "return_outputs({'class': 'Directory', 'basename': 'x', 'listing': [[]]})",
    "a pipe as a file": "pipe('outputs/o.txt')",
    "a device as a file": "link('outputs/o.txt', '/dev/zero')",
    "half a character": "return_outputs(file(f'{scratch}/outputs/\\ud800'))",
    "a zero byte": "return_outputs(file(f'{scratch}/outputs/\\0'))",
    "no folder of outputs": "replace('outputs')",
}
LASTING = {
    "a record of results": "write('unpublished.json', json.dumps({'o': file(host)}))",
    "a pipe as a record of results": "pipe('unpublished.json')",
    "a pipe for requests": "pipe('control')",
    "a link for requests": "link('control', host)",
    "a folder that nobody may enter": "os.makedirs('out/x/y'); os.chmod('out/x', 0)",
    "pipes as folders": "[pipe(name) for name in ('cids', 'monitors', 'inputs', 'out', 'tmp', 'bin', 'programs')]",
    "a folder as a file": "replace('run.json'); os.mkdir('run.json')",
    "a line without end": "sys.stderr.write('x' * (64 << 20))",
    "events of many levels": "print('[' * 100_000); print('{\"event\":' * 100_000)",
    "an event without a step": "print(json.dumps({'event': 'StepStarted', 'step': 1, 'command': None, 'started': {}}))",
    "an end without a time": "print(json.dumps(dict(event='StepEnded', step='x', started=0.0, ended=1e30,"
    " exit_code=None, cpu_seconds=None, peak_memory_mib=None)))",
    "an end before all times": 'print(\'{"event": "StepStarted", "step": "x", "command": "",\''
    " ' \"started\": -Infinity}')",
    "lines that are none": "print(json.dumps({'event': 'StepLines', 'step': 'x', 'lines': 5}))",
    "lines that are numbers": "print(json.dumps({'event': 'StepLines', 'step': 'x', 'lines': [5]}))",
    "a step with a path": "print(json.dumps({'event': 'StepLines', 'step': '../../x', 'lines': ['x']}))",
    "half a character as a line": "print(json.dumps({'event': 'StepLines', 'step': '\\ud800', 'lines': ['\\ud800']}))",
    "another kind of message": "print(json.dumps({'event': 'EngineLine', 'severity': '../x\\n', 'text': 'x'}))",
    "many steps that do not end": "[print(json.dumps({'event': 'StepLines', 'step': f'x{number}', 'lines': ['x']}))"
    " for number in range(3000)]",
}


def run(site: Site, host: Host, attack: str, monkeypatch: pytest.MonkeyPatch) -> Story:
    """Run a job whose launcher is somebody else's code."""

    def take_launcher(python: str) -> Supervised:
        command = [python, "-I", "-c", TAKEN_OVER, str(host.secret), attack]
        order: Document = {"command": command, "env": {}, "cwd": "/", "cid_folder": None, "remover": [], "waits": True}
        return Supervised(order, python)

    monkeypatch.setattr(local_engine, "take_launcher", take_launcher)
    (site.folder / "package.cwl").write_text(json.dumps(tool("true", output("File", "o.txt"))))
    isolated = site.having(ZOO_RUNNER_ISOLATION="isolated", ZOO_RUNNER_CONTAINERS="sandbox")
    return isolated.run(isolated.accept(site.folder / "package.cwl"))


def check_end(site: Site, story: Story) -> None:
    """Every end is an answer, and nothing is left but outputs that wait to be published."""
    diagnosis, job = story.outcome.diagnosis, story.job.id
    assert diagnosis is None or diagnosis.code != "runner.defect", diagnosis
    left = {str(path.relative_to(site.folder / "scratch")) for path in (site.folder / "scratch").glob("**/*")}
    kept = {job, f"{job}@unpublished.json", f"{job}/outputs"}
    below = {path for path in left if path.startswith(f"{job}/outputs/")}
    assert left - below <= (kept if diagnosis and diagnosis.stage is Stage.STAGE_OUT else set())


@pytest.mark.parametrize("name", STEALING)
@pytest.mark.usefixtures("sandbox")
def test_no_file_of_the_machine_becomes_a_result(
    name: str, site: Site, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = host.read()
    story = run(site, host, STEALING[name], monkeypatch)
    assert story.outcome.status is Status.FAILED
    assert find_canary(site.results, site.temp, site.state) == []
    assert host.read() == before
    check_end(site, story)


@pytest.mark.parametrize("name", BREAKING)
@pytest.mark.usefixtures("sandbox")
def test_an_odd_output_object_is_an_error_with_a_code(
    name: str, site: Site, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = run(site, host, BREAKING[name], monkeypatch)
    assert story.outcome.status is Status.FAILED
    check_end(site, story)


@pytest.mark.parametrize("name", LASTING)
@pytest.mark.usefixtures("sandbox")
def test_what_a_launcher_leaves_neither_stops_nor_outlives_its_job(
    name: str, site: Site, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = host.read()
    story = run(site, host, LASTING[name], monkeypatch)
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert (site.results / "o" / "o.txt").read_text() == "made"
    assert host.read() == before
    check_end(site, story)
