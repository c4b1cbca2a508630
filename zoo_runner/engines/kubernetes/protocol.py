"""The version of the protocol between the runner and the job image; pure.

The two are installed separately: whoever runs jobs updates zoo-runner, the operator of a platform updates its job
image. Each job is sent with a version; the image refuses other versions before it reads the rest, which it could
misinterpret.

`PROTOCOL` is increased by every change that the other side would misinterpret or miss: in the content of the bundle
(`bundle`), in the volumes and variables of the pod (`manifests`, `steppod`), and in the lines that it writes
(`pod_log`). What the other side may ignore needs no new version.
"""

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

PROTOCOL = 7

_SETTING = "ZOO_RUNNER_JOB_IMAGE (or CALRISSIAN_IMAGE)"


def check_protocol(sent: int) -> None:
    """Refuse, in the job image, a job that was sent with another version (0: without one); raises `EngineError`."""
    if sent == PROTOCOL:
        return
    remedy = f"Update zoo-runner where jobs are started, or set {_SETTING} to a job image of its version."
    if sent > PROTOCOL:
        remedy = f"Build the job image (deploy/job) from the zoo-runner that starts jobs, and set {_SETTING} to it."
    raise EngineError(
        f"protocol version mismatch: the job was sent with version {sent}, the job image supports {PROTOCOL}",
        remedy,
        level=Level.PLATFORM,
        code="engine.protocol",
    )
