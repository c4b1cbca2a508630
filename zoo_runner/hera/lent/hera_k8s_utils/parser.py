"""The parser of a script's options."""

import sys
from pathlib import Path
from typing import Any

# beside this one, on the path of the script
from hera_utils import parser as _parser  # type: ignore[import-not-found]

__all__ = ["parser"]


class parser(_parser):  # type: ignore[misc]
    """Parser with the options of Kubernetes, which that of `hera_utils` has here too."""

    @staticmethod
    def verify_args(args: Any) -> None:
        """End the script if there is no kubeconfig."""
        path = getattr(args, "k8s_config_file", None)
        if not path or not Path(path.split(":")[0]).exists():
            sys.exit(f"the kubeconfig {path!r} does not exist; see `zoo-runner hera config`")
