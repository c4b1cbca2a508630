"""The system test of an operator against a data hub: two workspaces, a real policy agent, and a hub without walls."""

import json
from pathlib import Path
from typing import Any

from tests.live.hub import ACCESS, PREFIX, hub
from tests.site import Site


def test_isolation_and_login_are_tested_as_members_of_two_workspaces(tmp_path: Path) -> None:
    with hub(tmp_path) as made:
        tokens = {}
        for name, headers in (("ada", made.ada), ("ben", made.ben)):
            tokens[name] = tmp_path / f"{name}.token"
            tokens[name].write_text(headers["Authorization"])
        url = f"{made.server.url}{PREFIX}/{{workspace}}"
        options = made.bucket.options
        site = Site(tmp_path, tmp_path / "cache").having(
            AWS_ENDPOINT_URL=str(options.endpoint),
            AWS_ACCESS_KEY_ID=str(options.access_key_id),
            AWS_SECRET_ACCESS_KEY=str(options.secret_access_key),
        )

        def find(other_user: str, *more: str) -> dict[str, Any]:
            named = ("--workspace", "alpha", "--other-workspace", "beta")
            files = ("--token-file", tokens["ada"], "--other-token-file", tokens[other_user])
            done = site.command("system-test", url, *named, *files, "--format", "json", *more)
            assert str(made.ada["Authorization"].split()[1]) not in done.stdout + done.stderr
            return {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}

        found = find("ben", "--access", "s3://access")
        assert {name: one["verdict"] for name, one in found.items() if one["verdict"] != "passed"} == {
            "backup": "skipped"
        }, found.get("access")
        # what the workspace publishes is as it was
        assert json.loads((made.bucket.folder / "access" / "alpha.json").read_text()) == {"workflows": ACCESS}
        # a member of both is what an operator has to hear of
        found = find("ada")
        assert (found["isolation"]["verdict"], bool(found["isolation"]["remedy"])) == ("failed", True)
        assert found["access"]["verdict"] == "skipped"
        assert found["undeploy"]["verdict"] == "passed"
