"""What scripts import from `hera_k8s_utils`; each class is in a module of its own name too, as there."""

from .k8s_cluster import k8s_cluster
from .num_exp_environment import Struct, num_exp_environment
from .parser import parser

__all__ = ["Struct", "k8s_cluster", "num_exp_environment", "parser"]
