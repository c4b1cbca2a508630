"""The server removes jobs that ended longer ago than they are kept, with their logs; results stay."""

import json
from dataclasses import replace
from pathlib import Path

from tests.serving import Server, serving
from tests.site import Site
from tests.values import ROOT
from tests.waiting import wait_for

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
SLOW = ROOT / "tests" / "data" / "packages" / "failing" / "slow" / "slow.cwl"


def test_old_jobs_are_removed_with_their_logs_and_others_stay(tmp_path: Path, package_cache: Path) -> None:
    site = Site(tmp_path, package_cache).having(ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"))
    with serving(site.environ, tmp_path) as server:
        server.deploy(ECHO)
        server.deploy(SLOW)
        old = server.execute("echo", {"message": "old"})
        server.wait(old)
        logs = [path for path in tmp_path.rglob("*.log") if old in str(path)]
        assert logs
        server.stop()
        kept = Server(server.port, {**site.environ, "ZOO_RUNNER_RETENTION_DAYS": "1"}, server.log)
        kept.start()
        assert kept.request("GET", f"/jobs/{old}").status == 200
        running = kept.execute("slow", {})
        wait_for(lambda: kept.request("GET", f"/jobs/{running}").json["status"] == "running", 60)
        kept.kill()
        removing = replace(kept, environ={**site.environ, "ZOO_RUNNER_RETENTION_DAYS": "0.000001"})
        removing.start()
        try:
            wait_for(lambda: removing.request("GET", f"/jobs/{old}").status == 404, 60)
            assert removing.request("GET", f"/jobs/{running}").status == 200
        finally:
            removing.stop()
        assert not [path for path in logs if path.exists()]
        results = [path for path in (tmp_path / "results").rglob("*") if path.is_file() and old in str(path)]
        assert "old" in json.dumps([path.read_text() for path in results])
