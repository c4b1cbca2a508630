"""Masks the secrets in addresses, alone or in a text, by their form; pure, in time linear in the length of the text.

Forms: user information before `@` (RFC 3986, section 3.2.1), parameters of a query or fragment whose name says so,
encoded or not, and addresses with such parameters inside of a parameter, of a path or of a text, encoded several times.
"""

import re
from urllib.parse import unquote, unquote_plus

SECRET_PARAMETERS = (
    *("signature", "sig", "token", "key", "secret", "passw", "passphrase", "pwd", "credential"),
    *("auth", "jwt", "sas", "session", "hmac", "ticket", "saml", "hdnts", "hdnea"),
)
# words that are parts of others which are not secret, as pass is of bypass
_SECRET_NAMES = frozenset({"pass", "pw", "sid", "code", "policy"})

# what JSON writes for `/` and `&` in some languages stands for them
_ADDRESS = re.compile(r"(https?|):(//|\\/\\/)([^\s\"'<>]+)", re.IGNORECASE)
_SEPARATOR = r"[?&;#]|\\u0026"
_PARAMETER = re.compile(rf"({_SEPARATOR})([^=&;#?\\]*)=((?:(?!\\u0026)[^&;#])*)")
# the name of a parameter in the value of another one
_INNER_NAME = re.compile(rf"(?:^|{_SEPARATOR})([^=&;#?\\]{{1,80}})=")
_END_OF_AUTHORITY = re.compile(r"[/?#\\]")
# a query without the address before it, as in a log of requests
_LOOSE_PARAMETER = re.compile(r"([?&]|\\u0026)([^=&;#?\\\s\"'<>]{1,80})=([^&\s\"'<>#\\]+)")
# the same encoded, once or several times; what may be repeated has a limit, so that time is linear
_CODE = "%(?:25){0,3}"
_ENCODED_PARAMETER = re.compile(
    rf"({_CODE}(?:3f|26|3b|23))([^=&;#?\s\"'<>]{{1,80}}?)({_CODE}3d)"
    rf"((?:(?!{_CODE}(?:3f|26|3b|23))[^\s\"'<>&])+)",
    re.IGNORECASE,
)
_ENCODED_ADDRESS = re.compile(rf"({_CODE}3a(?:{_CODE}2f){{2}})([^\s\"'<>&]+)", re.IGNORECASE)
_MOST_ENCODINGS = 4


def mask_addresses(text: str, mask: str) -> str:
    """Return a text in which the secrets of all addresses are replaced by `mask`."""
    # what is rare is checked first, one character before two, because this runs for every line of a log
    if "/" in text and ("//" in text or "\\/\\/" in text):
        text = _ADDRESS.sub(lambda match: f"{match[1]}:{match[2]}{_mask_rest(match[3], bool(match[1]), mask)}", text)
    if "?" in text or "&" in text or ("\\" in text and "\\u0026" in text):
        text = _LOOSE_PARAMETER.sub(lambda match: f"{match[1]}{match[2]}={_mask_value(match[2], match[3], mask)}", text)
    if "%" in text:
        text = _ENCODED_ADDRESS.sub(lambda match: f"{match[1]}{_mask_encoded(match[2], mask)}", text)
        text = _ENCODED_PARAMETER.sub(
            lambda match: f"{match[1]}{match[2]}{match[3]}{mask if _is_secret(match[2]) else match[4]}", text
        )
    return text


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


def _mask_encoded(rest: str, mask: str) -> str:
    """Mask what follows an encoded `://` as a whole, if there is a secret in it."""
    plain = _decode(rest)
    return mask if _mask_rest(plain, True, mask) != plain else rest


def _has_cut_password(authority: str) -> bool:
    """Whether a `/` in a password may have ended what looks like the authority: what follows the colon is no port."""
    host, colon, port = authority.rpartition(":")
    has_user = ":" in authority.rpartition("@")[0]
    return has_user or (bool(colon) and "@" not in authority and not host.startswith("[") and not port.isdigit())


def mask_parameters(query: str, mask: str) -> str:
    """Mask the secret parameters of a query or fragment, with the `?` or `#` before it."""
    return _PARAMETER.sub(lambda match: f"{match[1]}{match[2]}={_mask_value(match[2], match[3], mask)}", query)


def _mask_value(name: str, value: str, mask: str) -> str:
    inner = _decode(value)
    names = (name, *_INNER_NAME.findall(inner)) if "=" in inner else (name,)
    return mask if any(map(_is_secret, names)) else value


def _is_secret(name: str) -> bool:
    plain = _decode(unquote_plus(name)).lower()
    return plain in _SECRET_NAMES or any(word in plain for word in SECRET_PARAMETERS)


def _decode(text: str) -> str:
    """Decode a text as often as it was encoded, within limits."""
    for _ in range(_MOST_ENCODINGS):
        if "%" not in text:
            break
        text = unquote(text)
    return text
