"""Replace secrets before a line reaches a file or a screen."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo_staging.variables import FILE_VARIABLES, is_secret_variable

MASK = "*****"
_SHORTEST_SECRET = 4
_PATTERNS = (
    # signed URLs: AWS, Azure SAS, Google
    re.compile(
        r"(?i)((?:X-Amz-(?:Signature|Security-Token|Credential)|sig|X-Goog-Signature|access_token|token)=)[^&\s\"']+"
    ),
    re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]+"),
    re.compile(
        r"(?i)((?:secret|password|passwd|token|api_?key)[a-z_]*[\"']?\s*[:=]\s*[\"']?)(?!(?:true|false|null)\b|[\[{])[^\s\"',}]+"
    ),
    # user:password@ in a URL
    re.compile(r"(://[^/\s:@]+:)[^/\s@]+(?=@)"),
)
# without one of these, in lower case, no pattern fits; to look for them is ten times faster than the patterns
_HINTS = ("signature=", "credential=", "sig=", "token", "authorization", "secret", "passw", "apikey", "api_key", "://")


_DOCKER_SECRETS = ("auth", "password", "identitytoken", "registrytoken")
# IMAGE_PULL_SECRETS has names of Secrets, which are not secret
_SECRET_FIELD = re.compile(r"secret|token(?!_uri)|password|private_key", re.IGNORECASE)
_SECRET_VARIABLE = re.compile(r"(?<!^IMAGE_PULL_)SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|API_?KEY", re.IGNORECASE)


def find_secrets(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of environment variables that must never be shown, by the names of their variables.

    From the stagers' credential files, it returns the values with such names.
    """
    plain = {name: value for name, value in variables.items() if name not in FILE_VARIABLES}
    values = [value for name, value in plain.items() if _SECRET_VARIABLE.search(name) or is_secret_variable(name)]
    values += _find_file_secrets(variables)
    # in a log, a key of several lines appears line by line, a Docker configuration part by part
    parts = [part for value in values for part in (value, *value.splitlines(), *_find_docker_secrets(value))]
    return tuple(part for part in parts if part.strip())


def _find_file_secrets(variables: Mapping[str, str]) -> Iterator[str]:
    for variable in FILE_VARIABLES:
        if path := variables.get(variable):
            # a file that cannot be read is reported where its setting is used
            with suppress(OSError, ValueError):
                yield from _find_named_secrets(json.loads(Path(path).read_text(encoding="utf-8")))


def _find_named_secrets(node: Any) -> Iterator[str]:
    for name, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, dict):
            yield from _find_named_secrets(value)
        elif isinstance(value, str) and _SECRET_FIELD.search(str(name)):
            yield value


def _find_docker_secrets(text: str) -> Iterator[str]:
    """Find the passwords and tokens in a Docker configuration, or in several; nothing from any other text."""
    try:
        content = json.loads(text)
    except ValueError:
        return
    for config in content if isinstance(content, list) else [content]:
        auths = config.get("auths") if isinstance(config, dict) else None
        for entry in auths.values() if isinstance(auths, dict) else ():
            for name, value in entry.items() if isinstance(entry, dict) else ():
                if name in _DOCKER_SECRETS and isinstance(value, str):
                    yield value
                    yield _read_password(value)


def _read_password(auth: str) -> str:
    """Read the password in `base64(user:password)`; empty if it has none."""
    try:
        return base64.b64decode(auth).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def is_maskable(secret: str) -> bool:
    """Whether a secret is long enough to be distinguished from other text."""
    return len(secret) >= _SHORTEST_SECRET


def list_texts(node: Any) -> Iterator[str]:
    """List all strings in JSON-like data."""
    if isinstance(node, str):
        yield node
    members = node.values() if isinstance(node, Mapping) else node if isinstance(node, list | tuple) else ()
    for member in members:
        yield from list_texts(member)


class Masker:
    """Replaces known secrets, and text that looks like a secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({secret for secret in secrets if is_maskable(secret)}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, self._secrets))) if self._secrets else None

    def mask(self, text: str) -> str:
        """Return the text with every secret replaced by `*****`."""
        if self._known and any(secret in text for secret in self._secrets):
            text = self._known.sub(MASK, text)
        folded = text.casefold()
        if any(hint in folded for hint in _HINTS):
            for pattern in _PATTERNS:
                text = pattern.sub(rf"\g<1>{MASK}", text)
        return text

    def mask_data(self, node: Any) -> Any:
        """Return JSON-like data with secrets in its strings replaced; values whose name says secret, as a whole."""
        if isinstance(node, Mapping):
            return {
                self.mask(str(key)): MASK
                if isinstance(value, str) and _SECRET_VARIABLE.search(str(key))
                else self.mask_data(value)
                for key, value in node.items()
            }
        if isinstance(node, list | tuple):
            return [self.mask_data(item) for item in node]
        return self.mask(node) if isinstance(node, str) else node
