"""Secrets of workspaces: written by their members, read by nobody, and used by the jobs of the workspace.

They are encrypted by keys of the operator (Fernet of `cryptography`, AES-128 in CBC mode with HMAC-SHA256). The first
key encrypts, and all of them decrypt, so that a new one is put before the old one.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo_runner.config.profiles import REGISTRIES, is_credential
from zoo_runner.config.server import ServerSettings
from zoo_runner.model import clock
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.secret import StoredSecret
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.store.sql.secrets import SqlSecrets

# a server without keys has no use for it, and neither have its workers
if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

# what is shorter would be masked in every word of a log
_LEAST_CHARACTERS, _MOST_CHARACTERS = 8, 65_536


class Vault:
    """The secrets of all workspaces; without a key there are none, and none can be set."""

    def __init__(self, store: SqlSecrets, keys: tuple[str, ...]) -> None:
        self._store, self._fernet = store, _build_fernet(keys)

    def read(self, workspace: str) -> Mapping[str, str]:
        """Return the secrets of a workspace by name; raises `SettingsError` (`secret.key`) where no key fits."""
        if self._fernet is None:
            return {}
        return {one.name: self._read(one) for one in self._store.list_all(workspace)}

    def put(self, workspace: str, name: str, value: Any, caller: str | None) -> None:
        """Keep a secret of a workspace; raises `InputError`, `SettingsError` (`secret.off`) without a key."""
        self._get_fernet()
        if not is_credential(name):
            raise build_invalid(
                f"invalid name of a secret: {name[:100]!r}",
                "Use a key, token or key id of stage-in or stage-out, such as AWS_SECRET_ACCESS_KEY or"
                f" STAGEIN_AWS_ACCESS_KEY_ID, or {REGISTRIES}.",
            )
        if not isinstance(value, str) or not _LEAST_CHARACTERS <= len(value) <= _MOST_CHARACTERS:
            wanted = f"Send {_LEAST_CHARACTERS} to {_MOST_CHARACTERS} characters as `value`."
            raise build_invalid(f"the value of {name} is not a text, too short or too long", wanted)
        if name == REGISTRIES:
            _ensure_registries(value)
        encrypted = self.encrypt([workspace, name, value])
        self._store.put(StoredSecret(workspace, name, encrypted, clock.now(), caller))

    def encrypt(self, parts: Sequence[str]) -> str:
        """Encrypt a secret, the last of `parts`, with those before it that say whose it is.

        Raises `SettingsError` (`secret.off`) without a key.
        """
        return self._get_fernet().encrypt(json.dumps(list(parts)).encode()).decode()

    def decrypt(self, encrypted: str, what: str, owner: Sequence[str]) -> str:
        """Decrypt a secret of an owner; raises `SettingsError` (`secret.key`) for that of another, or without its key.

        `what` is the secret in words.
        """
        from cryptography.fernet import InvalidToken

        try:
            *found, value = json.loads(self._get_fernet().decrypt(encrypted))
        except InvalidToken as error:
            raise _build_key_error(what) from error
        # rows that were exchanged in the database would give one the secret of another
        if tuple(found) != tuple(owner):
            raise _build_key_error(what)
        return str(value)

    def _get_fernet(self) -> "MultiFernet":
        if self._fernet is None:
            raise SettingsError(
                "this server keeps no secrets of workspaces, as it has no key to encrypt them",
                "Ask the operator to set ZOO_RUNNER_ENCRYPTION_KEYS_FILE.",
                code="secret.off",
            )
        return self._fernet

    def list_all(self, workspace: str) -> list[StoredSecret]:
        """Return the secrets of a workspace, encrypted."""
        return self._store.list_all(workspace)

    def remove(self, workspace: str, name: str) -> None:
        """Remove a secret; raises `InputError` (`secret.not-found`)."""
        self._store.remove(workspace, name)

    def rotate(self) -> int:
        """Encrypt all secrets and tokens of steps with the first key; returns how many.

        Raises `SettingsError` where no key fits.
        """
        fernet = self._fernet
        if fernet is None:
            return 0
        from cryptography.fernet import InvalidToken

        try:
            return self._store.replace_all(lambda encrypted: fernet.rotate(encrypted).decode())
        except InvalidToken as error:
            raise _build_key_error("a secret") from error

    def _read(self, secret: StoredSecret) -> str:
        what = f"the secret {secret.name} of {secret.workspace}"
        return self.decrypt(secret.encrypted, what, (secret.workspace, secret.name))


def open_vault(store: SqlSecrets, settings: ServerSettings) -> Vault:
    """Open the vault with the keys of the settings, those of the file first; raises `SettingsError`."""
    kept: tuple[str, ...] = ()
    if path := settings.encryption_keys_file:
        try:
            kept = tuple(line.strip() for line in path.read_text(encoding="ascii").splitlines() if line.strip())
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"ZOO_RUNNER_ENCRYPTION_KEYS_FILE={str(path)!r} cannot be read: {error}",
                "Write one key a line into it, the one that encrypts first.",
            ) from error
    return Vault(store, (*kept, *settings.encryption_keys))


def _build_fernet(keys: tuple[str, ...]) -> "MultiFernet | None":
    if not keys:
        return None
    from cryptography.fernet import Fernet, MultiFernet

    try:
        fernets = [Fernet(key) for key in keys]
    except ValueError as error:
        raise SettingsError(
            "a key of ZOO_RUNNER_ENCRYPTION_KEYS or its file is not a Fernet key",
            "Use 32 random bytes in URL-safe base64: head -c 32 /dev/urandom | base64 | tr +/ -_",
        ) from error
    return MultiFernet(fernets)


def _build_key_error(what: str) -> SettingsError:
    return SettingsError(
        f"{what} cannot be decrypted with the keys of this server",
        "List the key that it was encrypted with in ZOO_RUNNER_ENCRYPTION_KEYS_FILE, or have it set again.",
        code="secret.key",
    )


def _ensure_registries(value: str) -> None:
    try:
        document = json.loads(value)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("auths"), dict):
        raise build_invalid(
            f"the value of {REGISTRIES} is not a Docker configuration",
            'Send {"auths": {"<registry>": {"auth": "…"}}} as a text.',
        )
