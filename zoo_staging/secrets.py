"""Masks the secrets in addresses, alone or in a text, by their form; pure, in time linear in the length of the text.

Forms: user information before `@` (RFC 3986, section 3.2.1), parameters of a query or fragment whose name says so,
encoded or not, and addresses with such parameters inside of a parameter.
"""

import re
from urllib.parse import unquote, unquote_plus

SECRET_PARAMETERS = ("signature", "sig", "token", "key", "secret", "password", "credential", "auth", "jwt")

_ADDRESS = re.compile(r"(https?|)://([^\s\"'<>]+)", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&;#])([^=&;#?]*)=([^&;#]*)")
_END_OF_AUTHORITY = re.compile(r"[/?#]")


def mask_addresses(text: str, mask: str) -> str:
    """Return a text in which the secrets of all addresses are replaced by `mask`."""
    if "://" not in text:
        return text  # checked first because this runs for every line of a log
    return _ADDRESS.sub(lambda match: f"{match[1]}://{_mask_rest(match[2], bool(match[1]), mask)}", text)


def _mask_rest(rest: str, is_web: bool, mask: str) -> str:
    """Mask what follows `://`; a name alone before `@` is a token on the web, and a user elsewhere (`ssh://git@`)."""
    end = _END_OF_AUTHORITY.search(rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    if "@" in tail and _has_cut_password(authority):
        user = authority.partition(":")[0]
        return f"{user}:{mask}@{_mask_rest(tail.rpartition('@')[2], is_web, mask)}"
    user, at, host = authority.rpartition("@")
    if at and (":" in user or is_web):
        name, colon, _ = user.partition(":")
        authority = f"{name}:{mask}@{host}" if colon else f"{mask}@{host}"
    return authority + mask_parameters(tail, mask)


def _has_cut_password(authority: str) -> bool:
    """Whether a `/` in a password ended what looks like the authority: what follows the colon is no port."""
    host, colon, port = authority.rpartition(":")
    return bool(colon) and "@" not in authority and not host.startswith("[") and not port.isdigit()


def mask_parameters(query: str, mask: str) -> str:
    """Mask the secret parameters of a query or fragment, with the `?` or `#` before it."""
    return _PARAMETER.sub(lambda match: f"{match[1]}{match[2]}={_mask_value(match[2], match[3], mask)}", query)


def _mask_value(name: str, value: str, mask: str) -> str:
    plain = unquote_plus(name).lower()
    if any(word in plain for word in SECRET_PARAMETERS):
        return mask
    inner = unquote(value) if "%" in value else ""
    return mask if "=" in inner and mask_parameters(f"?{inner}", mask) != f"?{inner}" else value
