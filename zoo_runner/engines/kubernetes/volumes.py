"""When a job's volume is ready, so that its pod may be created; pure.

The scheduler looks again at a pod that came before its claim was bound as soon as the claim changes. It may still see
the claim as it was, and then it lets five minutes go by (kubernetes/kubernetes#87145). So a pod is made once its claim
is bound, or waits for the pod, or takes long.
"""

from zoo_runner.engines.kubernetes.names import Manifest

FIRST_CONSUMER = "WaitForFirstConsumer"


def is_bound(claim: Manifest | None) -> bool:
    """Whether a claim has its volume."""
    return claim is not None and claim.get("status", {}).get("phase") == "Bound"


def awaits_pod(event: Manifest) -> bool:
    """Whether an event says that a claim gets its volume where its pod is going to be (`volumeBindingMode`)."""
    return event.get("reason") == FIRST_CONSUMER
