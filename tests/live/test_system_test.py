"""The system test of an operator against a data hub: two workspaces, a real policy agent, and a hub without walls."""

import json
from pathlib import Path
from typing import Any

from tests.live.hub import PREFIX, hub
from tests.site import Site


def test_isolation_and_login_are_tested_as_members_of_two_workspaces(tmp_path: Path) -> None:
    with hub(tmp_path) as made:
        tokens = {}
        for name, headers in (("ada", made.ada), ("ben", made.ben)):
            tokens[name] = tmp_path / f"{name}.token"
            tokens[name].write_text(headers["Authorization"])
        own, other = (f"{made.server.url}{PREFIX}/{workspace}" for workspace in ("alpha", "beta"))

        def find(other_user: str) -> dict[str, Any]:
            words: list[str | Path] = [
                own,
                "--token-file",
                tokens["ada"],
                "--other-url",
                other,
                "--other-token-file",
                tokens[other_user],
            ]
            done = Site(tmp_path, tmp_path / "cache").command("system-test", *words, "--format", "json")
            assert str(made.ada["Authorization"].split()[1]) not in done.stdout + done.stderr
            return {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}

        found = find("ben")
        assert {name: one["verdict"] for name, one in found.items() if one["verdict"] != "passed"} == {
            "backup": "skipped"
        }, found
        # a member of both is what an operator has to hear of
        found = find("ada")
        assert (found["isolation"]["verdict"], bool(found["isolation"]["remedy"])) == ("failed", True)
        assert found["undeploy"]["verdict"] == "passed"
