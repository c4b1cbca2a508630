"""Replace secrets before a line reaches a file or a screen."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from zoo_runner.model.scalars import are_numbers
from zoo_runner.model.text_lines import TextLines, join_lines
from zoo_staging.secrets import mask_addresses
from zoo_staging.variables import FILE_VARIABLES, is_secret_variable

MASK = "*****"
_SHORTEST_SECRET = 4
# characters of secrets, those first that most logs do not have
_RARE = "QZXJKVYWqHGzUjFBLDNOPMCTRSIAExvkwbgyfhpcldumnroistae/_-"
# so many lines are looked at together, where a thousand have something to mask
_LINES_TOGETHER = 32


@dataclass(frozen=True)
class _Form:
    """What looks like a secret: `pattern` fits only where one of `marks`, and of `hints` in lower case, is in the text.

    To look for hints is ten times faster than the pattern, and for one character ten times faster again.
    """

    marks: str
    hints: tuple[str, ...]
    pattern: "re.Pattern[str]"

    def may_fit(self, text: str, folded: str) -> bool:
        """Whether it is worth while to look at a text, which is there in lower case too."""
        return any(mark in text for mark in self.marks) and any(hint in folded for hint in self.hints)


# GDAL_HTTP_USERPWD and GDAL_HTTP_BEARER of GDAL; AccountKey of Azure's connection strings
_SETTINGS_OF_TOOLS = ("userpwd", "http_bearer", "accountkey", "account_key")
# what may be repeated has a limit: otherwise a long line of such words takes time by the square of its length
_FORMS = (
    # parameters of a signed URL, without the URL
    _Form(
        "=",
        ("token=", "credential=", "signature=", "sig=", "jwt=", "auth="),
        re.compile(r"(?i)((?:X-Amz-(?:Security-Token|Credential)|signature|sig|jwt|auth|token)=)[^&\s\"'<>]+"),
    ),
    _Form(
        ":=",
        ("authorization",),
        re.compile(
            r"(?i)(authorization[\"']?\s{0,8}[:=]\s{0,8}[\"']?(?:(?:bearer|basic|digest|token|apikey)\s{1,8})?)"
            r"(?![*])[^\s\"',}]+"
        ),
    ),
    _Form(
        ":=",
        ("secret", "passw", "token", "apikey", "api_key", "api-key", *_SETTINGS_OF_TOOLS),
        re.compile(
            rf"(?i)((?:secret|passw(?:or)?d|token|api[_-]?key|{'|'.join(_SETTINGS_OF_TOOLS)})[a-z_-]{{0,40}}"
            r"(?:\\{0,4}[\"'])?\s{0,8}[:=]\s{0,8}(?:\\{0,4}[\"'])?)"
            r"(?!(?:true|false|null)\b|[\[{])[^\s\"',}]+"
        ),
    ),
    _Form(
        "-",
        ("--secret", "--passw", "--token", "--api"),
        re.compile(r"(?i)(--(?:secret|passw(?:or)?d|token|api[_-]?key)[a-z_-]{0,40}\s{1,8})[^\s\"'-][^\s\"']*"),
    ),
    _Form(":", ("cookie",), re.compile(r"(?i)(cookie[\"']?:\s{0,8}[\"']?)(?=[^\s=;,\"']{1,80}=)[^\r\n\"']+")),
    # elements of XML, entries of .netrc, users of curl
    _Form(
        "<",
        ("password", "secret", "token"),
        re.compile(r"(?i)(<(?:\w{1,40}:)?(?:password|secret|token)\w{0,40}(?:\s[^<>]{0,200})?>)[^<]+"),
    ),
    _Form(
        "mM",
        ("machine",),
        re.compile(r"(?i)(\bmachine\s{1,8}\S{1,255}\s{1,8}login\s{1,8}\S{1,255}\s{1,8}password\s{1,8})\S+"),
    ),
    _Form(
        ":",
        ("curl",),
        re.compile(r"(\bcurl\b[^\r\n]{0,200}?\s(?:-u|--user)[\s=]{0,8}[\"']?[^\s:\"']{1,255}:)[^\s\"']+"),
    ),
    _Form("-", ("private key",), re.compile(r"(-----BEGIN (?:[A-Z]{1,20} ){0,3}PRIVATE KEY-----)[^-]+")),
    # tokens of GitHub and GitLab begin with their kind
    _Form(
        "_-",
        ("gh", "github_pat", "glpat"),
        re.compile(r"(?<![\w-])()(?:gh[opsu]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})"),
    ),
    # a JSON Web Token (RFC 7519): its header begins with {"
    _Form(".", ("eyj",), re.compile(r"(?<![\w-])()eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*")),
)
# of what is escaped: in addresses, in strings of code and JSON, in HTML
_ESCAPES = ("%", "\\", "&#")
# with what follows it: most of these characters, as that of `50 %`, begin no escape
_ESCAPED = re.compile(r"%[0-9a-fA-F]{2}|\\[xXuU0-7]|&#")
_SHORTEST_ENCODED = 8
# longer ones, which are keys of several lines, are found as they are and encoded as a whole
_LONGEST_MIXED = 256


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
    # in a log, a Docker configuration appears part by part
    return split_secrets(part for value in values for part in (value, *_find_docker_secrets(value)))


def split_secrets(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return secrets and their lines: in a log, a key of several lines appears line by line."""
    parts = [part for secret in secrets for part in (secret, *map(str.strip, secret.splitlines()))]
    return tuple(dict.fromkeys(part for part in parts if part.strip()))


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


def holds_secret(node: Any, secrets: Iterable[str]) -> bool:
    """Whether a string in JSON-like data has a secret in it."""
    known = [secret for secret in secrets if is_maskable(secret)]
    return any(secret in text for text in list_texts(node) for secret in known) if known else False


def list_texts(node: Any) -> Iterator[str]:
    """List all strings in JSON-like data."""
    if isinstance(node, str):
        yield node
    members = node.values() if isinstance(node, Mapping) else node if isinstance(node, list | tuple) else ()
    if not are_numbers(members):
        for member in members:
            yield from list_texts(member)


def list_forms(secret: str) -> Iterator[str]:
    """List the forms in which a secret may stand in a text: as it is, in an address, in JSON, in base64, in hex."""
    from html import escape

    yield secret
    for quoted in (
        quote(secret, errors="replace"),
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
    ):
        yield quoted
        yield re.sub("%..", lambda code: code[0].lower(), quoted)
    for ascii_only in (True, False):
        written = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield written
        yield written.replace("/", "\\/")
        # JSON in a string of JSON, which another program may have written
        yield from (json.dumps(written, ensure_ascii=outer)[1:-1] for outer in (True, False))
    yield repr(secret)[1:-1]
    yield escape(secret)
    content = secret.encode("utf-8", "replace")
    yield content.hex()
    yield content.hex().upper()
    for before, depends in ((0, 0), (1, 2), (2, 3)):
        # the digits that depend on nothing but the secret, wherever it begins in what was encoded
        digits = base64.b64encode(bytes(before) + content)[depends : (before + len(content)) * 8 // 6].decode()
        if len(digits) >= _SHORTEST_ENCODED:
            yield digits
            yield digits.replace("+", "-").replace("/", "_")


def _list_plain_forms(secret: str) -> Iterator[str]:
    """List the forms of a secret before any is percent-encoded."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]


def _build_mixed(secret: str) -> str:
    """Build the pattern of a secret of which any characters are escaped, as in addresses, strings of code or HTML."""
    return "".join(map(_build_character, secret))


def _build_character(character: str) -> str:
    content, number = character.encode("utf-8", "replace"), ord(character)
    codes = [
        "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in content),
        "".join(rf"\\{{1,4}}x{byte:02x}" for byte in content),
        "".join(rf"\\{{1,4}}{byte:03o}" for byte in content),
        "".join(rf"\\{{1,4}}u{unit:04x}" for unit in _list_units(character)),
        f"&#(?:0{{0,4}}{number}|x0{{0,4}}{number:x});",
    ]
    space = r"|\+|(?i:%(?:25){0,3}2b)" if character == " " else ""
    return f"(?:{re.escape(character)}|(?i:{'|'.join(codes)}){space})"


def _list_units(character: str) -> Iterator[int]:
    """List the units of UTF-16 that a character has, by which JSON and JavaScript escape it."""
    content = character.encode("utf-16-be", "surrogatepass")
    return (int.from_bytes(content[at : at + 2], "big") for at in range(0, len(content), 2))


def _rate(character: str) -> int:
    """Return how often a character is in a log, compared with others: digits come last, what is no letter first."""
    return _RARE.find(character) if not character.isdigit() else len(_RARE)


class Masker:
    """Replaces known secrets in all their forms, and text that looks like a secret, in time linear in its length."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({secret for secret in secrets if is_maskable(secret)}, key=len, reverse=True)
        forms = {form for secret in self._secrets for form in list_forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, self._forms))) if self._forms else None
        # a character is found ten times faster than a form, and most texts do not have it
        self._marks = [(min(form, key=_rate), form) for form in self._forms]
        # `+` stands for it without any escape
        self._has_space = any(" " in secret for secret in self._secrets)
        self._last: tuple[Sequence[str], Sequence[str]] = ((), ())

    def mask(self, text: str) -> str:
        """Return the text with every secret replaced by `*****`."""
        if self._known and any(rare in text and form in text for rare, form in self._marks):
            text = self._known.sub(MASK, text)
        if self._mixed and any(mark in text for mark in _ESCAPES) and (self._has_space or _ESCAPED.search(text)):
            text = self._mixed.sub(MASK, text)
        text = mask_addresses(text, MASK)
        folded = text.casefold()
        for form in _FORMS:
            if form.may_fit(text, folded):
                text = form.pattern.sub(rf"\g<1>{MASK}", text)
        return text

    def mask_lines(self, lines: Sequence[str]) -> Sequence[str]:
        """Mask each line; most have nothing to mask, which one look at all of them shows.

        Masked together, a line could take the beginning of the next one for its secret, and leave the secret. Lines
        that do not change are remembered until the next call: the same ones go to the logs and to a display.
        """
        last, found = self._last
        if last is lines and isinstance(lines, tuple | TextLines):
            return found
        text = join_lines(lines)
        found = lines if self.mask(text) == text else tuple(self._mask_each(tuple(lines)))
        self._last = (lines, found)
        return found

    def _mask_each(self, lines: tuple[str, ...]) -> Iterator[str]:
        """Mask each line for itself, but for those around it that have nothing to mask."""
        for begin in range(0, len(lines), _LINES_TOGETHER):
            some = lines[begin : begin + _LINES_TOGETHER]
            text = "\n".join(some)
            if self.mask(text) == text:
                yield from some
            else:
                yield from map(self.mask, some)

    @cached_property
    def _mixed(self) -> "re.Pattern[str] | None":
        plain = [form for secret in self._secrets for form in _list_plain_forms(secret)]
        patterns = [_build_mixed(form) for form in dict.fromkeys(plain) if len(form) <= _LONGEST_MIXED]
        return re.compile("|".join(patterns)) if patterns else None

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
            return list(node) if are_numbers(node) else [self.mask_data(item) for item in node]
        return self.mask(node) if isinstance(node, str) else node
