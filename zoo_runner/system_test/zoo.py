"""What a system test knows of ZOO kernels: how they are recognised, and what they cannot do; docs/zoo.md."""

from zoo_runner.api_client import ApiClient

NO_USERS = "a ZOO kernel has no users: all who reach it may use it, unless a proxy before it asks for a login"
NO_ACCESS = "a ZOO kernel reads no access documents: what stands before it decides who may use a process"
NO_OWNERS = "a ZOO kernel does not look at who owns a job, and a proxy before it that does needs tokens to be tested"
POLICY = "Put a policy before the kernel that lets members alone reach /WORKSPACE/ogc-api/ and /WORKSPACE/temp/."


def is_zoo(client: ApiClient, powered_by: str, absent: str) -> bool:
    """Whether a ZOO kernel answers: by the field `X-Powered-By` of an answer, or by what it says of a process.

    `absent` is the path of a process that is not there. The field is a setting of the kernel ([headers] of main.cfg).
    """
    # the kernel names the file in which it has looked for the process
    return "zoo-project" in powered_by.lower() or b".zcfg" in client.call("GET", absent).body
