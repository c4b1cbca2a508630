"""The cluster of a script."""

# beside this one, on the path of the script
from hera_utils import k8s_cluster  # type: ignore[import-not-found]

__all__ = ["k8s_cluster"]
