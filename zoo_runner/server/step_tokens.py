"""Short-lived tokens for the steps of jobs: kept encrypted, given to their job, and revoked when it has ended.

The operator allows them in the profile of a workspace (`stepToken`), and a package asks for one by its secret input
`platform_token`. A server revokes the token of each job that has ended, however it ended, and whichever process saw it.
"""

import logging
import threading
from collections.abc import Callable, Mapping

from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.job import Job
from zoo_runner.model.package import Package
from zoo_runner.model.step_token import TOKEN_INPUT, IssuedToken, KeptToken
from zoo_runner.package.cwltypes import parse_parameters
from zoo_runner.package.extensions import find_secret_inputs
from zoo_runner.server.vault import Vault
from zoo_runner.store.sql.step_tokens import SqlStepTokens

_LOOK_SECONDS, _AGAIN_SECONDS = 10.0, 60.0
# a job is stored moments after its token
_UNKNOWN_SECONDS = 60.0

Revoke = Callable[[str], None]
"""Revokes a token; raises `RunnerError`."""

logger = logging.getLogger(__name__)


def asks_for_token(package: Package) -> bool:
    """Whether a package has the input for the token, and calls it secret."""
    return TOKEN_INPUT in find_secret_inputs(package) and any(
        parameter.name == TOKEN_INPUT for parameter in parse_parameters(package)
    )


class StepTokens:
    """The tokens of all jobs."""

    def __init__(self, store: SqlStepTokens, vault: Vault) -> None:
        self._store, self._vault = store, vault

    def keep(self, job_id: str, issued: IssuedToken) -> None:
        """Keep the token of a job until it is revoked; raises `SettingsError` (`secret.off`)."""
        encrypted = self._vault.encrypt([job_id, issued.text])
        self._store.put(KeptToken(job_id, encrypted, issued.expires, clock.now()))

    def find(self, job: Job) -> Mapping[str, str]:
        """Return the token of a job as the value of its input; empty where it has none.

        Raises `SettingsError` (`secret.key`), and `EngineError` (`token.expired`) where the job has not begun yet.
        """
        kept = self._store.find(job.id) if TOKEN_INPUT in job.secret_inputs else None
        if kept is None:
            return {}
        if kept.expires <= clock.now() and job.handle is None and not job.cancel_requested:
            raise EngineError(
                f"the token for the steps of the job expired {kept.expires}, before the job began",
                "Run the job again. Operators: have the provider issue tokens with this audience that hold for as long"
                " as jobs wait and run.",
                code="token.expired",
            )
        return {TOKEN_INPUT: self._decrypt(kept)}

    def revoke_ended(self, revoke: Revoke) -> bool:
        """Revoke the tokens of jobs that have ended; returns whether none is left of them.

        One that cannot be revoked stays, for another attempt, until it expires.
        """
        is_done = True
        for kept in self._store.list_ended(clock.after(-_UNKNOWN_SECONDS)):
            try:
                revoke(self._decrypt(kept))
            except RunnerError as error:
                logger.warning("the step token of job %s is not revoked yet: %s", kept.job_id, error)
                is_done = False
                if error.diagnosis.level is Level.PLATFORM:
                    # a provider that does not answer now is not asked for each of the others
                    break
                continue
            self._store.remove(kept.job_id)
            logger.info("the step token of job %s is revoked", kept.job_id)
        return is_done

    def _decrypt(self, kept: KeptToken) -> str:
        return self._vault.decrypt(kept.encrypted, f"the token for the steps of job {kept.job_id}", (kept.job_id,))


class Revoker:
    """A thread that revokes the tokens of jobs that have ended, until it is stopped; `wake` has it look at once."""

    def __init__(self, tokens: StepTokens, revoke: Revoke) -> None:
        self._tokens, self._revoke = tokens, revoke
        self._changed, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="revoker", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for jobs that have ended."""
        self._changed.set()

    def stop(self) -> None:
        """Revoke what is to be revoked now, and nothing more."""
        self._stopping = True
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            is_last = self._stopping
            self._changed.clear()
            is_done = self._look()
            if is_last:
                return
            self._changed.wait(_LOOK_SECONDS if is_done else _AGAIN_SECONDS)

    def _look(self) -> bool:
        try:
            return self._tokens.revoke_ended(self._revoke)
        except RunnerError as error:
            logger.warning("step tokens could not be looked for: %s", error)
        # the thread goes on: the next time may succeed
        except Exception:
            logger.exception("step tokens could not be revoked")
        return False
