"""What the account of the runner may do, asked of the API before it is done."""

from zoo_runner.engines.kubernetes.client import Cluster


def is_granted(cluster: Cluster, namespace: str, group: str, resource: str, verb: str) -> bool:
    """Ask by a SelfSubjectAccessReview (authorization.k8s.io/v1); the namespace may not exist yet."""
    main, _, sub = resource.partition("/")
    asked = {"namespace": namespace, "group": group, "resource": main, "subresource": sub, "verb": verb}
    review = cluster.create(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
    )
    return bool(review["status"]["allowed"])
