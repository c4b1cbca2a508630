"""What to do about a refusal by Kubernetes, from its own words; pure.

Sources: Kubernetes documentation, "Resource Quotas", "Limit Ranges", "Pod Security Standards", "Pod Priority and
Preemption", and the messages of its admission plug-ins as they were seen.
"""

import re
from collections.abc import Mapping

# The first that fits. A refusal names its object, so that a volume is told from a container by its words.
_ADVICE: Mapping[str, str] = {
    r"exceeded quota": "Wait until other jobs of the namespace end, or have its resource quota raised.",
    r"failed quota: .*must specify (limits|requests)\.ephemeral-storage": (
        "Have the namespace given a LimitRange with a default for it: jobs leave that limit to the site."
    ),
    r"storage usage per PersistentVolumeClaim": (
        "Set DEFAULT_VOLUME_SIZE within what the namespace's LimitRange allows (a package may ask for more by tmpdirMin"
        " and outdirMin), or have the LimitRange changed."
    ),
    r"(maximum|minimum) \S+ (usage|limit) per|limit to request ratio per|per Pod is": (
        "Stay within the namespace's LimitRange, or have it changed: a step by its ResourceRequirement, the job's own"
        " pod by ZOO_RUNNER_JOB_CPU, ZOO_RUNNER_JOB_CPU_LIMIT, ZOO_RUNNER_JOB_RAM and ZOO_RUNNER_JOB_RAM_LIMIT."
    ),
    r"violates PodSecurity": "Set ZOO_RUNNER_RUN_AS_USER to an ordinary user, or have the namespace's level changed.",
    r"PriorityClass": "Correct POD_PRIORITY_CLASS, or have the class made.",
    r"request is too large|entity too large": (
        "Hand long inputs to the step as a File, or fewer of them: what its command line holds has to fit into one"
        " object of Kubernetes, which is 1 MiB or so."
    ),
    r"being terminated": "Wait until the namespace is gone and run the job again, or name another workspace.",
    r"certificate verify failed|is not trusted": (
        "Have KUBECONFIG name the API server as its certificate does, and the authority that signed that."
    ),
}


def find_advice(message: str) -> str | None:
    """Say what to do about a refusal; None where its words are none that are known."""
    return next((advice for words, advice in _ADVICE.items() if re.search(words, message)), None)


def is_too_large(message: str) -> bool:
    """Whether an object was refused for its size, which no waiting makes smaller.

    etcd's limit (1.5 MiB) is told as an error of the server, that of the API server (3 MiB) as one of the caller.
    """
    return "request is too large" in message or "entity too large" in message
