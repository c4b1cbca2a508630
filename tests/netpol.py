"""kube-router for tests: while it runs, the NetworkPolicies of dev/cluster are enforced."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.require import require
from tests.waiting import wait_for

# those of dev/cluster/env.sh
_NODE, _SERVICES = "node1", "10.96.0.0/16"
_SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
_CHAIN = re.compile(r"KUBE-(?:ROUTER|POD-FW|NWPLCY)-[A-Z0-9-]+")
_LONGEST_SECONDS = 60
_BUILT_IN = ("INPUT", "FORWARD", "OUTPUT")


def find_kube_router() -> str:
    """Return the program, or skip the test."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"  # noqa: TID251 where the tests learn of the program
    path = Path(base).expanduser() / "zoo-runner" / "netpol" / "kube-router"
    require(path.exists() and bool(shutil.which("ipset", path=_SYSTEM)), "no program: make netpol")
    return str(path)


@contextmanager
def enforcing(kubeconfig: str, folder: Path) -> Iterator[None]:
    """Enforce the NetworkPolicies of all pods of the node while the block runs.

    A pod that starts is open until kube-router has heard of it: what tests that it is closed waits until it is.
    """
    program = find_kube_router()
    require(
        kubeconfig.endswith("zoo-runner/cluster/kubeconfig") and os.geteuid() == 0, "not the cluster of dev/cluster"
    )
    words = [
        *(program, f"--kubeconfig={kubeconfig}", f"--hostname-override={_NODE}"),
        *("--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--enable-cni=false"),
        *(f"--service-cluster-ip-range={_SERVICES}", "--metrics-port=0", "--health-port=0", "-v=1"),
    ]
    log = folder / "kube-router.log"
    with Path(program).with_name("lock").open("w") as lock, log.open("wb") as output:
        # two runs of the tests on one machine would remove each other's rules
        fcntl.flock(lock, fcntl.LOCK_EX)
        # of a run that was killed
        remove_rules()
        # ends with this process
        command = ["setpriv", "--pdeathsig=KILL", *words]
        process = subprocess.Popen(command, stdout=output, stderr=output, env={"PATH": _SYSTEM})
        try:
            wait_for(lambda: _has_written(process, log))
            yield
        finally:
            process.terminate()
            process.wait(_LONGEST_SECONDS)
            remove_rules()


def _has_written(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return "sync iptables took" in log.read_text()


def remove_rules() -> None:
    """Remove what kube-router leaves behind: its chains, what leads to them, and its sets of addresses."""
    rules = _run("iptables", "-S").splitlines()
    removed = ["*filter"]
    removed += [
        rule.replace("-A", "-D", 1)
        for rule in rules
        if rule.startswith(tuple(f"-A {chain} " for chain in _BUILT_IN)) and "-j KUBE-ROUTER-" in rule
    ]
    chains = sorted({name for rule in rules if rule.startswith("-N ") for name in _CHAIN.findall(rule)})
    removed += [f"-F {chain}" for chain in chains] + [f"-X {chain}" for chain in chains] + ["COMMIT"]
    # at once, and without the rest of the table
    _run("iptables-restore", "--noflush", given="\n".join(removed) + "\n")
    for name in _run("ipset", "list", "-name").split():
        if name.startswith(("KUBE-SRC-", "KUBE-DST-", "kube-router-")):
            _run("ipset", "destroy", name)


def _run(*words: str, given: str = "") -> str:
    done = subprocess.run(
        words, input=given, capture_output=True, text=True, check=False, timeout=_LONGEST_SECONDS, env={"PATH": _SYSTEM}
    )
    assert done.returncode == 0, (words, given, done.stderr)
    return done.stdout
