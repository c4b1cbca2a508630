"""Detects error pages, login pages and messages that a web server sent with status 200; pure."""

import posixpath
import re
from functools import lru_cache
from typing import Protocol
from urllib.parse import urlsplit

from stagein.progress import Transfer
from zoo_staging.errors import Kind, StagingError, mask_href
from zoo_staging.hrefs import get_scheme, name_of
from zoo_staging.http_errors import LOGIN_REMEDY
from zoo_staging.media import BINARY, get_media_type
from zoo_staging.names import choose_name, find_suffix

CHECKED_BYTES = 64 << 10
_WEB = ("http", "https")

_Formats = tuple[tuple[re.Pattern[str], re.Pattern[bytes]], ...]


def _compile(*formats: tuple[str, bytes]) -> _Formats:
    return tuple((re.compile(media_type), re.compile(start, re.S)) for media_type, start in formats)


# the first bytes of formats that have a signature, by media type, or by suffix where there is no media type
_SIGNATURES = _compile(
    (r"image/(tiff|vnd\.stac\.geotiff)", rb"II[*+]\0|MM\0[*+]"),
    (r"image/png", rb"\x89PNG\r\n\x1a\n"),
    (r"image/jpe?g", rb"\xff\xd8\xff"),
    (r"image/(jp2|jpx|jpeg2000|j2k)", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    # HDF5 may begin with other bytes, netCDF is HDF5 or its own format, HDF4 has the same media type
    (r".*(hdf5?|netcdf)", rb".*\x89HDF\r\n\x1a\n|CDF[\x01\x02\x05]|\x0e\x03\x13\x01"),
    (r"application/zip", rb"PK[\x03\x05\x07]"),
    (r"application/(x-)?gzip", rb"\x1f\x8b"),
    (r".*parquet", rb"PAR1"),
    (r"application/pdf", rb".{0,1024}%PDF"),
    (r".*sqlite3?|\.mbtiles", rb"SQLite format 3\0"),
    (r".*(laszip|[/.](laz|las))", rb"LASF"),
    (r".*x-bzip2", rb"BZh"),
    (r".*x-xz", rb"\xfd7zXZ\0"),
    (r"application/zstd", rb"\x28\xb5\x2f\xfd"),
    (r".*x-7z-compressed", rb"7z\xbc\xaf\x27\x1c"),
    (r"application/vnd\.(shp|shx)", rb"\0\0\x27\x0a"),
    (r".*pmtiles", rb"PMTiles"),
    (r"\.npy", rb"\x93NUMPY"),
    (r"\.npz", rb"PK[\x03\x05\x07]"),
    (r"\.kea", rb".*\x89HDF\r\n\x1a\n"),
    (r".*grib2?", rb".{0,1024}GRIB"),
    (r"image/webp", rb"RIFF.{4}WEBP"),
    # the oldest archives have no signature, but zeros as any other
    (r"application/(x-)?tar", rb".{257}ustar"),
    (r".*flatgeobuf", rb"fgb"),
)
# what a text format does not begin with where a message in another one does
_BEGINNINGS = _compile(
    (r"text/csv|text/tab-separated-values", rb"(?!(\xef\xbb\xbf)?\s*([{<]))"),
    (r".*[/+]xml", rb"(\xef\xbb\xbf)?\s*<"),
    (r".*json", rb"(\xef\xbb\xbf)?\s*[^<\s]"),
)
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_TEXT_BYTES = 1 << 10
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
# of pages, of programs that answer with pages or with anything else, and of templates of pages
_PAGE_SUFFIX = re.compile(
    r"\.([sm]?html?|xht(ml)?|php\d?|phtml|aspx?|as[hm]x|axd|svc|jspx?|jsf|f?cgi|wsgi|pl|cf[cm]|nsf|do|action"
    r"|j2|jinja2?|tmpl|tpl|ejs|vue)"
)
_MESSAGES = frozenset({"application/json", "application/problem+json", "application/xml", "text/xml", "text/plain"})
_PAGES_AND_MESSAGES = _PAGES | _MESSAGES
_BINARY = re.compile(
    r"(image|audio|video)/(?!svg)|application/(zip|gzip|pdf|.*(hdf|netcdf|parquet|zarr|laz|flatgeobuf|sqlite))"
)
_HTML = re.compile(rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body|script|title)\b", re.I | re.S)
# how the text of a refusal begins, and the pointer that stands for a file of Git LFS
_REFUSAL = re.compile(
    rb"(\xef\xbb\xbf)?\s*([<{]|(http/\S+ )?[45]\d\d\b|version https://git-lfs"
    rb"|.{0,80}\b(error|denied|forbidden|not found|unauthori[sz]ed|expired|quota|limit|unavailable|try again)\b)",
    re.I,
)
_LOGIN_WORDS = re.compile(r"log-?in|sign-?in|oauth|openid|saml|/sso|/auth", re.I)
_LOGIN_TITLE = re.compile(rb"<title[^>]*>[^<]*(log|sign)\s?-?(in|on)\b", re.I)
_PASSWORD = re.compile(rb"""type\s*=\s*["']?password""", re.I)


class Served(Protocol):
    """What a web server says of what it sends: final address, media type, file name; empty where it says nothing."""

    @property
    def href(self) -> str:
        """The address after redirects."""
        ...

    @property
    def media_type(self) -> str:
        """The media type, in lower case and without parameters."""
        ...

    @property
    def file_name(self) -> str:
        """The name that the server gives the file."""
        ...


def is_page(start: bytes | bytearray) -> bool:
    """Whether these are the first bytes of an HTML page."""
    return bool(_HTML.match(start))


def is_suspicious(content: Served, transfer: Transfer) -> bool:
    """Whether the beginning of a file has to be checked.

    That is where it is served as a page, a message, or without media type, or not as what it is: some servers call all
    that they send `application/octet-stream`, their error pages too. Where the format has a signature it is always:
    others name the type after the address, whatever they send.
    """
    if get_scheme(content.href) not in _WEB:
        return False
    if (content.media_type or "text/html") in _PAGES_AND_MESSAGES:
        return True
    expected = _find_expected(content, transfer)
    if expected is None:
        return False
    is_named = content.media_type == expected and expected != BINARY
    return not is_named or _find(_SIGNATURES, expected) is not None


def has_signature(content: Served, transfer: Transfer, start: bytes) -> bool:
    """Whether a file begins as its format does: then no more of it has to be checked."""
    expected = _find_expected(content, transfer)
    signature = _find(_SIGNATURES, expected) if expected else None
    return signature is not None and bool(signature.match(start)) and not _HTML.match(start)


def find_foreign(content: Served, transfer: Transfer, start: bytes) -> StagingError | None:
    """Return the error for a page or message in place of a file that begins with `start`; None if it is the file.

    What to expect is in this order the media type that its metadata states, its name (that of its address, or where
    this has no suffix the one that the server gives), and a media type of data that the server states.
    """
    expected, href = _find_expected(content, transfer), transfer.href
    if _HTML.match(start):
        return _judge_page(content, transfer, expected, start)
    if expected is None:
        return None
    is_text = not _CONTROLS.search(start[:_TEXT_BYTES])
    if content.media_type in _MESSAGES and _BINARY.match(expected) and is_text and _REFUSAL.match(start):
        return _foreign(content, href, expected, "a message", start)
    # data of another kind than its publisher says may be good; text in place of it is a message, unless the server
    # calls it data and its words are those of no message
    is_named = content.media_type == expected
    beginning = _find(_SIGNATURES if is_named else (*_SIGNATURES, *_BEGINNINGS), expected)
    if beginning is None or beginning.match(start) or not is_text:
        return None
    if not start:
        return _foreign(content, href, expected, "an empty answer", start)
    return None if is_named and not _REFUSAL.match(start) else _foreign(content, href, expected, "text", start)


@lru_cache(256)
def _find(formats: _Formats, expected: str) -> re.Pattern[bytes] | None:
    """Return how files of a media type begin; None where that is not known."""
    return next((start for media_type, start in formats if media_type.fullmatch(expected)), None)


def find_login(content: Served, href: str, start: bytes) -> StagingError | None:
    """Return the error for a login page in place of a document; None for anything else."""
    is_page = get_scheme(content.href) in _WEB and _HTML.match(start)
    if not is_page or not (_leads_to_login(content, href) or _PASSWORD.search(start)):
        return None
    where = f" (redirected to {mask_href(content.href)})" if content.href != href else ""
    return StagingError(
        Kind.FORBIDDEN, href, f"a login page was sent instead of the data{where}", f"Log in is needed. {LOGIN_REMEDY}"
    )


def _judge_page(content: Served, transfer: Transfer, expected: str | None, start: bytes) -> StagingError | None:
    if expected in _PAGES:
        return None
    href = transfer.href
    if login := find_login(content, href, start):
        return login
    if content.href == f"{href}/":
        reason = "a folder on a web server, which HTTP cannot list"
        return StagingError(Kind.UNSUPPORTED, href, reason, "Give the address of a file.")
    if expected is None or expected in ("text/plain", "text/markdown"):
        return None
    if _LOGIN_TITLE.search(start):
        reason = f"a login page was sent instead of {_describe(expected)}"
        return StagingError(Kind.FORBIDDEN, href, reason, LOGIN_REMEDY)
    return _foreign(content, href, expected, "an HTML page", start)


def _foreign(content: Served, href: str, expected: str, what: str, start: bytes) -> StagingError:
    served = content.media_type or "no media type"
    beginning = f"; it begins with {start[:60].decode('utf-8', 'replace')!r}" if start else ""
    reason = f"{what} ({served}) was sent instead of {_describe(expected)}{beginning}"
    return StagingError(Kind.CONTENT, href, reason, f"Open the address in a browser. {LOGIN_REMEDY}")


def _describe(expected: str) -> str:
    return f"a {expected} file" if expected.startswith(".") else expected


def _leads_to_login(content: Served, href: str) -> bool:
    final = urlsplit(content.href)
    return content.href != href and bool(_LOGIN_WORDS.search(f"{final.netloc}{final.path}"))


def _find_expected(content: Served, transfer: Transfer) -> str | None:
    """Return the media type that a file has to have, or its suffix where no media type is known; None for any file."""
    announced = _read_type(transfer.media_type)
    if announced not in (None, BINARY):
        return announced
    name = transfer.target.name
    if not posixpath.splitext(name)[1]:
        name = choose_name(name, name_of(transfer.href), content.file_name)
    suffix, known = find_suffix(name), _read_type(get_media_type(name))
    if known in _PAGES:
        return known
    if suffix and not _PAGE_SUFFIX.fullmatch(suffix):
        return suffix if known == BINARY else known
    return announced or (content.media_type if _BINARY.match(content.media_type) else None)


def _read_type(media_type: str | None) -> str | None:
    """Read a media type without its parameters; None for an empty one."""
    return (media_type or "").partition(";")[0].strip().lower() or None
