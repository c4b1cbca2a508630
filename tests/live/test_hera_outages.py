"""Followers of workflows, and scripts that wait, while the Argo server is away for a while."""

import threading
from pathlib import Path
from urllib.parse import urlsplit

from tests.cluster import JOB_IMAGE
from tests.live.hera_site import SERVER, Hera, HeraSite
from tests.live.line import line_to

COUNTS = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: hera-counts-}
spec:
  entrypoint: count
  templates:
  - name: count
    script: {image: IMAGE, command: [sh], source: 'for n in $(seq 20); do echo "count $n."; sleep 1; done'}
"""


def test_a_workflow_is_followed_over_an_outage_and_each_line_is_shown_once(
    hera: Hera, hera_site: HeraSite, tmp_path: Path
) -> None:
    (tmp_path / "workflow.yaml").write_text(COUNTS.replace("IMAGE", JOB_IMAGE))
    address = urlsplit(SERVER)
    with (
        line_to(str(address.hostname), address.port or 443) as line,
        hera_site.start("run", "workflow.yaml", "--set", f"ARGO_SERVER={line.url}") as process,
    ):
        assert process.stderr
        assert process.stdout
        seen = []
        for text in process.stderr:
            seen.append(text)
            if "count 2." in text:
                line.disconnect()
            if "warning: " in text:
                # it was seen to be away, and stays so for a moment
                threading.Timer(2, line.connect).start()
        shown = process.stdout.read()
        assert process.wait(60) == 0, "".join(seen)
    assert ": Succeeded" in shown
    printed = [text for text in seen if "] count " in text]
    assert [text.partition("] ")[2].strip() for text in printed] == [f"count {number}." for number in range(1, 21)]
    hera("delete", shown.partition(":")[0])
