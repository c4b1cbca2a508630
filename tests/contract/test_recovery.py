"""Recovery when only the bucket of results is left: jobs are run, the database is lost, and the answers come again."""

import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.test_backup import DATABASES, a_database, wipe
from tests.servers import S3Server
from tests.serving import Server, serving
from tests.site import Site
from tests.values import EXAMPLES, FAILING
from zoo_runner.config.server import load_server_settings
from zoo_runner.server.installation import open_store
from zoo_runner.server.recovery import bucket
from zoo_runner.server.recovery.recover import Wanted, recover_jobs
from zoo_runner.store.sql import open_sql_store
from zoo_staging.object_store import list_objects

SECRET, SIGNATURE = "canary-of-the-bucket", "0123456789abcdef0123"
SIGNED = f"https://example.org/a?X-Amz-Signature={SIGNATURE}"
ECHO = EXAMPLES / "echo" / "echo.cwl"
EXIT_CODE = FAILING / "tool-exit-code" / "tool-exit-code.cwl"


@dataclass(frozen=True)
class Place:
    """An installation whose results go to a bucket of its own."""

    site: Site
    folder: Path
    s3: S3Server
    bucket: str

    @property
    def address(self) -> str:
        """Where the results of all workspaces lie."""
        return f"s3://{self.bucket}/results"

    def command(self, *words: str) -> dict[str, Any]:
        """Recover with the command, and return the report with the exit code."""
        done = self.site.command("recover", self.address, "--format", "json", *words)
        assert done.stdout, done.stderr
        return {**json.loads(done.stdout), "exit": done.returncode}

    def recover(self, address: str | None = None, **more: Any) -> dict[str, Any]:
        """Recover in this process, and return the report."""
        settings, site = load_server_settings(self.site.environ), replace(self.site, is_service=True)
        with closing(open_store(settings, site.configuration)) as store:
            report = recover_jobs(store, settings, site.configuration, Wanted(address or self.address, **more))
        return dict(report.describe())

    def lose(self) -> None:
        """Lose all but the bucket."""
        wipe(self.folder, self.site)

    def find(self, job: str) -> Path:
        """The folder of what was published of a job, in the bucket."""
        (found,) = (self.s3.folder / self.bucket).glob(f"results/*/{job}/logs/{job}")
        return found


@pytest.fixture
def place(tmp_path: Path, package_cache: Path, s3: S3Server) -> Place:
    return build_place(tmp_path, package_cache, s3)


def build_place(folder: Path, cache: Path, s3: S3Server) -> Place:
    bucket, options = f"recovery-{uuid4().hex[:12]}", s3.options
    (s3.folder / bucket).mkdir()
    site = Site(folder, cache).having(
        STAGEOUT_OUTPUT=f"s3://{bucket}/results",
        AWS_ENDPOINT_URL=str(options.endpoint),
        AWS_ACCESS_KEY_ID=str(options.access_key_id),
        AWS_SECRET_ACCESS_KEY=str(options.secret_access_key),
        AWS_REGION=options.region,
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE_PREFIX="at",
        SOME_TOKEN=SECRET,
    )
    return Place(site, folder, s3, bucket)


def run_jobs(server: Server) -> list[str]:
    """Run jobs of two workspaces, one of which fails."""
    jobs = []
    for base in ("", "/at/forest"):
        server.deploy(ECHO, base)
        jobs.append(f"{base}/jobs/" + server.execute("echo", {"message": f"in {base or 'its own'}"}, base))
    failing = server.deploy(EXIT_CODE)
    jobs.append("/jobs/" + server.execute(failing, {}))
    answer = server.request(
        "POST",
        "/processes/echo/execution",
        {
            "inputs": {"message": SIGNED},
            "outputs": {"text": {"transmissionMode": "reference"}},
        },
        {"Prefer": "respond-async"},
    )
    jobs.append(f"/jobs/{answer.json['jobID']}")
    for job in jobs:
        base, _, name = job.rpartition("/jobs/")
        server.wait(name, base=base)
    return jobs


def read_answers(server: Server, jobs: list[str]) -> dict[str, Any]:
    """What clients see: lists, and of each job status and results; logs are read apart."""
    lists = {base: server.request("GET", f"{base}/jobs").json for base in ("", "/at/forest")}
    of_jobs = {job: [server.request("GET", job).json, server.request("GET", f"{job}/results").json] for job in jobs}
    return {"lists": lists, "jobs": of_jobs}


def read_logs(server: Server, jobs: list[str]) -> dict[str, bytes]:
    found = {}
    for job in jobs:
        for link in server.request("GET", f"{job}/logs").json["links"]:
            found[f"{job} {link['href'].rpartition('/')[2]}"] = server.request("GET", link["href"]).body
    return found


@pytest.mark.parametrize("database", DATABASES)
def test_after_the_database_is_lost_the_answers_are_the_same(
    database: str, tmp_path: Path, package_cache: Path, s3: S3Server
) -> None:
    place = build_place(tmp_path, package_cache, s3)
    if database == "sqlite":
        drill(place)
        return
    with a_database(database, tmp_path) as url:
        drill(replace(place, site=place.site.having(ZOO_RUNNER_DATABASE=url)))


def describe(server: Server, base: str) -> dict[str, Any]:
    """Describe the process: of where its package came from, only its digest is in the bucket."""
    document: dict[str, Any] = server.request("GET", f"{base}/processes/echo").json
    return {**document, "source": document["source"]["digest"]}


def drill(place: Place) -> None:
    with serving(place.site.environ, place.folder) as server:
        jobs = run_jobs(server)
        described = {base: describe(server, base) for base in ("", "/at/forest")}
        answers, logs = read_answers(server, jobs), read_logs(server, jobs)
        server.stop()
        place.lose()
        planned = place.command("--dry-run")
        assert (planned["found"], planned["recovered"], planned["known"], planned["exit"]) == (4, 4, 0, 0)
        assert planned["dryRun"]
        done = place.command()
        assert (done["found"], done["recovered"], done["refused"], done["findings"]) == (4, 4, 0, [])
        assert sum(done["workspaces"].values()) == 4
        assert done["workspaces"]["forest"] == 1
        assert done["logs"] == sum(len(list(place.find(job.rpartition("/")[2]).glob("*.log"))) + 1 for job in jobs)
        server.start()
        assert read_answers(server, jobs) == answers
        again = read_logs(server, jobs)
        assert again.keys() == logs.keys()
        # the line that says where the logs were published is written after that
        assert all(logs[name].startswith(log) and log for name, log in again.items())
        # a second run finds all of it there, also while the server works
        repeated = place.command()
        assert (repeated["recovered"], repeated["known"], repeated["logs"], repeated["exit"]) == (0, 4, 0, 0)
        assert read_answers(server, jobs) == answers
        # what they ran came with them
        packages = [server.request("GET", f"{base}/processes/echo/package").status for base in ("", "/at/forest")]
        assert packages == [404, 404]
        assert place.command("--processes")["processes"] == 3
        assert place.command("--processes")["processes"] == 0
        for base in ("", "/at/forest"):
            assert describe(server, base) == described[base]
            job = server.execute("echo", {"message": "once more"}, base)
            assert server.wait(job, base=base)["status"] == "successful"


def test_no_secret_and_nobody_is_in_what_is_published(place: Place) -> None:
    with serving(place.site.environ, place.folder) as server:
        jobs = run_jobs(server)
    for job in jobs:
        found = place.find(job.rpartition("/")[2])
        record = json.loads((found / "job.json").read_text())
        assert record["format"] == 1
        assert not record["job"].keys() & {"caller", "handle", "settings", "trace", "log", "log_folder", "runs_in"}
        for hidden in (SECRET, SIGNATURE, str(place.s3.options.secret_access_key)):
            assert not any(hidden in path.read_text() for path in found.iterdir())


def test_results_that_are_removed_take_the_record_with_them(place: Place) -> None:
    with serving(place.site.environ, place.folder) as server:
        server.deploy(ECHO)
        job = server.execute("echo", {"message": "gone"})
        server.wait(job)
        assert server.request("DELETE", f"/jobs/{job}/results").status == 204
    place.lose()
    assert place.recover()["found"] == 0


@dataclass(frozen=True)
class Published:
    """A job that has ended, whose database is lost."""

    place: Place
    job: str

    def change(self, change: Callable[[dict[str, Any]], None], name: str = "job.json") -> None:
        """Change a document in the bucket, as somebody can who may write there."""
        path = self.place.find(self.job) / name
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    @property
    def root(self) -> Path:
        """What lies in the bucket of the results of all jobs."""
        return self.place.s3.folder / self.place.bucket / "results"


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, package_cache: Path, s3: S3Server) -> Published:
    place = build_place(tmp_path_factory.mktemp("ended"), package_cache, s3)
    with serving(place.site.environ, place.folder) as server:
        server.deploy(ECHO)
        job = server.execute("echo", {"message": "published"})
        server.wait(job)
    return Published(place, job)


@pytest.fixture
def published(ended: Published, tmp_path: Path, package_cache: Path, s3: S3Server) -> Published:
    """A copy of its results, in a bucket of its own, and nothing else."""
    place = build_place(tmp_path, package_cache, s3)
    shutil.copytree(ended.place.s3.folder / ended.place.bucket, s3.folder / place.bucket, dirs_exist_ok=True)
    return Published(place, ended.job)


@contextmanager
def looking(place: Place) -> Iterator[Server]:
    """A server on what was recovered."""
    with serving(place.site.environ, place.folder) as server:
        yield server


def put(members: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["job"].update(members)


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "newer": (lambda document: document.update(format=2), "recover.newer"),
    "no-format": (lambda document: document.pop("format"), "recover.record"),
    "format-of-text": (lambda document: document.update(format="1"), "recover.record"),
    "no-job": (lambda document: document.update(job=[]), "recover.record"),
    "other-id": (put({"id": str(uuid4())}), "recover.record"),
    "other-workspace": (put({"workspace": "forest"}), "recover.elsewhere"),
    "workspace-of-a-path": (put({"workspace": "../forest"}), "recover.record"),
    "still-running": (put({"status": "running"}), "recover.record"),
    "status-of-no-kind": (put({"status": "lost"}), "recover.record"),
    "another-outcome": (put({"status": "failed"}), "recover.record"),
    "no-outcome": (put({"outcome": None}), "recover.record"),
    "message-of-a-list": (put({"outcome": {"status": "failed", "diagnosis": {"cause": ["a"]}}}), "recover.record"),
    "number-of-a-text": (put({"progress": "100"}), "recover.record"),
    "too-far": (put({"progress": 10**9}), "recover.record"),
    "no-time": (put({"created": "yesterday"}), "recover.record"),
    "impossible-time": (put({"finished": "2026-13-41T00:00:00.000Z"}), "recover.record"),
    "name-with-a-line": (put({"process_id": "a\nb"}), "recover.record"),
    "null-character": (put({"inputs": {"a": "\0"}}), "recover.record"),
    "subscriber": (put({"request": {"subscriber": {"successUri": "http://127.0.0.1/"}}}), "recover.record"),
    "outputs-of-a-list": (put({"request": {"outputs": [1]}}), "recover.record"),
    "deployed-in-a-path": (put({"deployed_in": "../x"}), "recover.record"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_record_is_left_out_and_named(published: Published, kind: str) -> None:
    change, code = HOSTILE[kind]
    published.change(change)
    report = published.place.recover()
    assert (report["recovered"], report["refused"]) == (0, 1)
    (finding,) = report["findings"]
    assert finding["code"] == code
    assert finding["place"].endswith(f"/{published.job}/logs/{published.job}/job.json")
    assert finding["remedy"]


def test_a_record_of_many_levels_is_left_out(published: Published) -> None:
    path = published.place.find(published.job) / "job.json"
    path.write_text('{"format": 1, "job": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}")
    report = published.place.recover()
    assert [one["code"] for one in report["findings"]] == ["recover.record"]


def test_a_record_that_is_too_large_is_not_read(published: Published) -> None:
    with (published.place.find(published.job) / "job.json").open("r+b") as file:
        file.truncate((64 << 20) + 1)
    report = published.place.recover()
    assert [one["code"] for one in report["findings"]] == ["recover.record"]
    assert str(64 << 20) in report["findings"][0]["message"]


def test_an_id_that_is_a_name_of_this_machine_is_left_out(published: Published) -> None:
    """Whatever removed such a job would remove the folder of another workspace."""
    own = next(published.root.iterdir())
    shutil.copytree(published.root / own.name / published.job, own / "ws-forest")
    (own / "ws-forest" / "logs" / published.job).rename(own / "ws-forest" / "logs" / "ws-forest")
    path = own / "ws-forest" / "logs" / "ws-forest" / "job.json"
    document = json.loads(path.read_text())
    document["job"]["id"] = "ws-forest"
    path.write_text(json.dumps(document))
    report = published.place.recover()
    assert (report["found"], report["recovered"]) == (2, 1)
    assert [one["code"] for one in report["findings"]] == ["recover.record"]


def test_what_a_record_says_of_permissions_and_paths_is_passed_over(published: Published) -> None:
    extra = {"runs_in": "forest", "allowed_roots": ["/"], "log": "/etc/passwd", "log_folder": "/etc", "caller": "root"}
    published.change(put({**extra, "handle": {"engine": "local"}, "destination": "/etc", "priority": 1000}))
    assert published.place.recover()["recovered"] == 1
    store = open_sql_store(f"sqlite:///{published.place.site.state / 'runner.db'}")
    job = store.jobs.get(published.job)
    store.close()
    assert (job.runs_in, job.handle, job.caller, job.priority) == (None, None, None, 0)
    assert job.destination.startswith(published.place.address)
    assert job.log.startswith(str(published.place.site.temp))
    assert job.allowed_roots is not None
    assert "/" not in job.allowed_roots


def test_a_job_that_the_command_line_named_is_left_out_and_others_are_listed(published: Published) -> None:
    """Ids that servers do not give are names of what lies beside the files of jobs, which are removed with them."""
    own = next(published.root.iterdir())
    named = own / "my-name"
    shutil.copytree(own / published.job, named)
    (named / "logs" / published.job).rename(named / "logs" / "my-name")
    path = named / "logs" / "my-name" / "job.json"
    path.write_text(path.read_text().replace(published.job, "my-name"))
    report = published.place.recover()
    assert (report["found"], report["recovered"], report["refused"]) == (2, 1, 1)
    assert [(one["code"], one["place"].split("/")[-2]) for one in report["findings"]] == [("recover.record", "my-name")]


@pytest.mark.parametrize("listed", [["b", "a"], ["a", "c", "b"]], ids=["backwards", "mixed"])
def test_a_service_that_lists_in_no_order_is_asked_for_each_job(
    published: Published, monkeypatch: pytest.MonkeyPatch, listed: list[str]
) -> None:
    async def list_mixed(place: Any, prefix: str, href: str, **more: Any) -> AsyncIterator[tuple[str, int]]:
        found = [one async for one in list_objects(place, prefix, href, **more)]
        parts = {name: found[number :: len(listed)] for number, name in enumerate(sorted(listed))}
        for name in listed:
            for one in parts[name]:
                yield one

    monkeypatch.setattr(bucket, "list_objects", list_mixed)
    first = published.place.recover()
    assert (first["found"], first["recovered"], first["known"], first["refused"]) == (1, 1, 0, 0)
    assert first["logs"] >= 3
    again = published.place.recover()
    assert (again["found"], again["recovered"], again["known"], again["logs"]) == (1, 0, 1, 0)


def test_a_second_run_asks_for_nothing_of_a_job_that_is_listed_but_the_list(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published.place.recover()["recovered"] == 1
    monkeypatch.setattr(bucket, "read_object", None)
    assert (published.place.recover()["known"], published.place.recover(dry=True)["known"]) == (1, 1)


def test_the_id_of_a_job_of_another_workspace_is_refused(published: Published) -> None:
    assert published.place.recover()["recovered"] == 1
    shutil.copytree(next(published.root.iterdir()), published.root / "forest")
    path = published.root / "forest" / published.job / "logs" / published.job / "job.json"
    document = json.loads(path.read_text())
    document["job"]["workspace"] = "forest"
    path.write_text(json.dumps(document))
    report = published.place.recover()
    assert (report["known"], report["refused"]) == (1, 1)
    assert [one["code"] for one in report["findings"]] == ["recover.conflict"]


def test_records_elsewhere_are_taken_for_a_workspace_that_is_named(published: Published) -> None:
    own = next(published.root.iterdir())
    own.rename(published.root / "moved")
    report = published.place.recover()
    assert [one["code"] for one in report["findings"]] == ["recover.elsewhere"]
    report = published.place.recover(f"{published.place.address}/moved", workspace="forest")
    assert report["workspaces"] == {"forest": 1}
    with looking(published.place) as server:
        assert server.request("GET", f"/jobs/{published.job}").status == 404
        status = server.request("GET", f"/at/forest/jobs/{published.job}")
        assert status.json["status"] == "successful"
        assert server.request("DELETE", f"/at/forest/jobs/{published.job}/results").status == 204
    assert not (published.root / "moved" / published.job / "logs" / published.job / "job.json").exists()


@pytest.mark.parametrize("kind", ["other", "not-cwl", "local-file"])
def test_a_package_is_checked_as_one_that_is_deployed(published: Published, kind: str) -> None:
    def change(document: dict[str, Any]) -> None:
        package = document["package"]
        if kind == "other":
            document["format"] = 9
        elif kind == "not-cwl":
            package["document"] = {"class": "Workflow"}
        else:
            package["document"]["$graph"][0]["steps"] = [
                {"id": "#main/a", "run": "file:///etc/passwd", "in": [], "out": []}
            ]

    published.change(change, "package.json")
    report = published.place.recover()
    assert (report["recovered"], report["refused"]) == (1, 0)
    (finding,) = report["findings"]
    assert (finding["code"], finding["severity"]) == ("recover.package", "warning")
    with looking(published.place) as server:
        assert server.request("GET", f"/jobs/{published.job}/results").status == 200


def test_names_of_logs_lead_nowhere_else(published: Published) -> None:
    folder = published.place.find(published.job)
    for name in (".hidden.log", "a b.log", "no-log.txt", "x..log"):
        (folder / name).write_text("planted")
    (folder / "below").mkdir()
    (folder / "below" / "deep.log").write_text("planted")
    report = published.place.recover()
    assert (report["recovered"], report["refused"]) == (1, 0)
    found = [path for path in published.place.site.temp.rglob("*") if path.is_file()]
    assert not any("planted" in path.read_text() for path in found)
    assert found


def test_logs_that_are_there_stay_as_they_are(published: Published) -> None:
    assert published.place.recover()["recovered"] == 1
    (log,) = published.place.site.temp.glob("*_error.log")
    log.write_text("of this machine")
    assert published.place.recover()["logs"] == 0
    assert log.read_text() == "of this machine"
    log.unlink()
    assert published.place.recover()["logs"] == 1
    assert "SUCCESSFUL" in log.read_text()


def test_without_logs_the_job_is_listed(published: Published) -> None:
    report = published.place.recover(logs=False)
    assert (report["recovered"], report["logs"]) == (1, 0)
    assert not list(published.place.site.temp.glob("*_error.log"))


def test_the_report_says_it_in_words(published: Published) -> None:
    published.change(lambda document: document.update(format=2))
    done = published.place.site.command("recover", published.place.address)
    assert done.returncode == 7
    assert "recover.newer" in done.stderr
    assert "1 records found: 0 jobs recovered" in done.stdout


@pytest.mark.parametrize("address", ["results", "https://example.org/results", "s3://key:secret@bucket", "s3://a/../b"])
def test_an_address_that_is_no_bucket_is_refused(place: Place, address: str) -> None:
    done = place.site.command("recover", address)
    assert done.returncode == 2
    assert "recover.address" in done.stderr


def test_a_bucket_that_does_not_exist_is_an_error(place: Place) -> None:
    done = place.site.command("recover", "s3://there-is-none")
    assert done.returncode == 7, done.stdout
    assert "there-is-none" in done.stderr
