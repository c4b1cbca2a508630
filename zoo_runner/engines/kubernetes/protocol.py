"""The version of what a caller and the job image say to each other; pure.

The two are installed apart: whoever runs jobs updates zoo-runner, a platform's operator its job image. So a job is sent
with a version, and the image refuses one that it does not know before it reads the rest, which it could take for
something else.

`PROTOCOL` goes up by one with every change by which the other side would misunderstand or miss something: in what the
bundle holds (`bundle`), in the volumes and variables that the pod is given (`manifests`, `steppod`), and in the lines
that it writes (`pod_log`). What the other side may ignore needs no new version.
"""

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

PROTOCOL = 4

_SETTING = "ZOO_RUNNER_JOB_IMAGE (or CALRISSIAN_IMAGE)"


def check_protocol(sent: int) -> None:
    """Refuse, as the job image, what was sent in another version (0: in none); raises `EngineError`."""
    if sent == PROTOCOL:
        return
    remedy = f"Update zoo-runner where jobs are started, or have {_SETTING} name a job image of its version."
    if sent > PROTOCOL:
        remedy = f"Build the job image (deploy/job) from the zoo-runner that starts jobs, and name it in {_SETTING}."
    raise EngineError(
        f"protocol version mismatch: the job was sent with version {sent}, the job image supports {PROTOCOL}",
        remedy,
        level=Level.PLATFORM,
        code="engine.protocol",
    )
