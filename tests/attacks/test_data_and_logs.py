"""Publishers of data, and tools that print: odd hosts, changing names, documents, redirects, bombs, terminals."""

import asyncio
import base64
import gzip
import html
import json
import logging
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stagein.settings import StageInOptions
from stagein.stage import stage_in
from tests.attacks.hostile import CANARY, Host, find_canary
from tests.servers import Fault, FileServer, serve_files
from tests.unit.stagein.items import build_item
from zoo_runner.cli.show import print_message
from zoo_runner.config.folders import JobPaths
from zoo_runner.execution.job_log import JobLog
from zoo_runner.model.colours import HUES, ColouredLine, make_coloured_line
from zoo_runner.model.events import EngineLine, Event, StepLines, StepStarted
from zoo_runner.model.masking import Masker
from zoo_runner.model.workspace import Folders
from zoo_staging.addresses import Reach
from zoo_staging.errors import StagingError
from zoo_staging.hosts import Hosts, RefusedAddressError

SERVICE = StageInOptions(allow_private=False, retries=0, allowed_roots=(), max_bytes=1_000_000, max_files=100)


def attempt(location: str, folder: Path, options: StageInOptions = SERVICE, kind: str = "File") -> str:
    """Stage an address in; return why it was refused, empty where it was not."""
    try:
        stage_in({"x": {"class": kind, "location": location}}, folder / "in", options)
    except StagingError as error:
        return str(error)
    return ""


HOSTS = {
    "full-width digits": "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "a full-width name": "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    "circled letters": "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
    "ideographic full stops": "127\u30020\u30020\u30021",
    "half-width full stops": "127\uff610\uff610\uff611",
    "mathematical digits": "\U0001d7cf\U0001d7d0\U0001d7d5.\U0001d7ce.\U0001d7ce.\U0001d7cf",
    "a soft hyphen": "local\u00adhost",
    "a zero-width joiner": "local\u200dhost",
    "Arabic digits": "\u0661\u0662\u0667.\u0660.\u0660.\u0661",
    "percent-encoded": "%31%32%37.0.0.1",
    "encoded twice": "%2531%2532%2537.0.0.1",
    "octal": "0177.0.0.01",
    "hexadecimal": "0x7f.0x0.0x0.0x1",
    "one hexadecimal number": "0x7f000001",
    "a part too large": "127.0.1",
    "a full stop at the end": "127.0.0.1.",
    "the unspecified address": "0.0.0.0",
    "zero": "0",
    "the loopback of IPv6 in full": "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "IPv4 in IPv6": "[::ffff:127.0.0.1]",
    "IPv4 in IPv6, in hexadecimal": "[::ffff:7f00:1]",
    "IPv4-compatible IPv6": "[::127.0.0.1]",
    "IPv4 translated": "[::ffff:0:127.0.0.1]",
    "NAT64": "[64:ff9b::7f00:1]",
    "NAT64 of a site": "[64:ff9b:1::7f00:1]",
    "6to4": "[2002:7f00:1::]",
    "Teredo": "[2001:0:7f00:1::80ff:fffe]",
    "ISATAP": "[fe80::5efe:127.0.0.1]",
    "a zone": "[::1%25lo]",
    "a unique local address": "[fd00::1]",
    "a site-local address": "[fec0::1]",
    "multicast": "[ff02::1]",
    "the unspecified address of IPv6": "[::]",
    "user information before it": "example.org@127.0.0.1",
    "a backslash before it": "example.org\\@127.0.0.1",
    "a fragment before it": "127.0.0.1#@example.org",
}


@pytest.mark.parametrize("what", HOSTS)
def test_no_form_of_a_host_leads_to_this_machine(what: str, host: Host, tmp_path: Path) -> None:
    assert attempt(host.at(HOSTS[what]), tmp_path)
    assert host.contacts == []
    assert find_canary(tmp_path / "in") == []


PUBLIC, PRIVATE = "93.184.216.34", "127.0.0.1"


def answering(*answers: list[str]) -> tuple[Hosts, list[str]]:
    """Names that stand for other addresses each time that they are resolved."""
    left, asked = iter(answers), list[str]()

    def resolve(name: str, port: int, **_: Any) -> list[tuple[Any, Any, Any, Any, Any]]:
        asked.append(name)
        return [(0, 0, 0, "", (address, port)) for address in next(left)]

    return Hosts(Reach(private=False), resolve), asked


REBOUND: dict[str, tuple[list[list[str]], tuple[str, ...]]] = {
    "a private address the second time": ([[PUBLIC], [PRIVATE]], (PUBLIC,)),
    "a private address beside a public one": ([[PUBLIC, PRIVATE]], (PUBLIC,)),
    "a private address before a public one": ([[PRIVATE, "::1", PUBLIC]], (PUBLIC,)),
    "the metadata of a cloud beside a public one": ([["169.254.169.254", PUBLIC]], (PUBLIC,)),
    "a mapped address beside a public one": ([["::ffff:10.0.0.1", PUBLIC]], (PUBLIC,)),
}


@pytest.mark.parametrize("what", REBOUND)
def test_a_name_is_resolved_once_and_connected_to_by_what_was_checked(what: str) -> None:
    answers, allowed = REBOUND[what]
    hosts, asked = answering(*answers)
    origin = ("http", "rebound.example", 80)
    assert [asyncio.run(hosts.find(origin)), asyncio.run(hosts.find(origin))] == [allowed, allowed]
    assert len(asked) == 1
    hosts.close()


def test_a_name_that_is_resolved_again_is_checked_again() -> None:
    hosts, _ = answering([PUBLIC], [PRIVATE])
    origin = ("http", "rebound.example", 80)
    asyncio.run(hosts.find(origin))
    hosts.forget(origin)
    with pytest.raises(RefusedAddressError):
        asyncio.run(hosts.find(origin))
    hosts.close()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[FileServer]:
    with serve_files(tmp_path / "web") as server:
        yield server


def listed(web: FileServer) -> StageInOptions:
    """What a service has that lists this one server of a private network, by its port's host name."""
    return StageInOptions(
        allow_private=False, private_hosts=("127.0.0.1",), retries=0, allowed_roots=(), max_bytes=1_000_000
    )


REDIRECTS: dict[str, Callable[[Host], str]] = {
    "a file": lambda h: h.secret.as_uri(),
    "a file of a host": lambda h: f"file://localhost{h.secret}",
    "a file in capitals": lambda h: f"FILE://{h.secret}",
    "a path of the machine": lambda h: f"//{h.secret}",
    "another loopback address": lambda h: h.at("127.0.0.2"),
    "IPv6": lambda h: h.at("[::1]"),
    "a full-width host": lambda h: h.at("\uff11\uff12\uff17.\uff10.\uff10.\uff12"),
    "user information": lambda h: h.at("127.0.0.1@127.0.0.2"),
    "a scheme of the mail": lambda h: f"smtp://127.0.0.2:{h.port}/",
    "gopher": lambda h: f"gopher://127.0.0.2:{h.port}/_x",
    "a dictionary": lambda h: f"dict://127.0.0.2:{h.port}/x",
    "FTP": lambda h: f"ftp://127.0.0.2:{h.port}/secret.txt",
    "telnet": lambda h: f"telnet://127.0.0.2:{h.port}/",
    "data in the address": lambda h: "data:text/plain,x",
    "a bucket": lambda h: "s3://bucket/secret.txt",
}


@pytest.mark.parametrize("what", REDIRECTS)
@pytest.mark.parametrize("status", [302, 308])
def test_no_redirect_leads_to_another_host_or_scheme(
    what: str, status: int, web: FileServer, host: Host, tmp_path: Path
) -> None:
    target = urllib.parse.quote(REDIRECTS[what](host), safe=":/@[]%,")
    url = web.put("a.txt", b"a")
    web.fail_always("a.txt", Fault(status=status, headers={"Location": target}))
    assert attempt(url, tmp_path, listed(web))
    assert host.contacts == []
    assert find_canary(tmp_path / "in") == []


def with_asset(href: str, key: str = "a", **more: Any) -> dict[str, Any]:
    return build_item("a", {key: {"href": href, **more}})


ITEMS: dict[str, Callable[[Host], dict[str, Any]]] = {
    "a file": lambda h: with_asset(h.secret.as_uri()),
    "a file with a host": lambda h: with_asset(f"file://localhost{h.secret}"),
    "a path": lambda h: with_asset(str(h.secret)),
    "steps up": lambda h: with_asset("../" * 30 + str(h.secret)[1:]),
    "encoded steps up": lambda h: with_asset("%2e%2e/" * 30 + str(h.secret)[1:]),
    "a backslash": lambda h: with_asset("..\\" * 30 + str(h.secret)[1:]),
    "a private host": lambda h: with_asset(h.at("127.0.0.2")),
    "an alternate": lambda h: with_asset("a.txt", alternate={"file": {"href": h.secret.as_uri()}}),
    "a key with steps up": lambda h: with_asset("a.txt", "../../planted"),
    "a key that is a path": lambda h: with_asset("a.txt", f"{h.folder}/planted"),
    "an id with steps up": lambda h: {**with_asset("a.txt"), "id": "../../planted"},
    "an id that is a path": lambda h: {**with_asset("a.txt"), "id": f"{h.folder}/planted"},
    "an id with NUL": lambda h: {**with_asset("a.txt"), "id": "a\0b"},
    "a collection that is a file": lambda h: {
        **with_asset("a.txt"),
        "collection": "c",
        "links": [{"rel": "collection", "href": h.secret.as_uri()}],
    },
    "an address of data": lambda h: with_asset(f"data:text/plain,{h.folder}"),
    "a file name of steps up": lambda h: with_asset("a.txt?x=/../../planted"),
    "a name as long as a disk": lambda h: with_asset("a" * 5000 + ".txt"),
}


@pytest.mark.parametrize("what", ITEMS)
def test_no_document_has_files_read_or_written_elsewhere(
    what: str, web: FileServer, host: Host, tmp_path: Path
) -> None:
    before, around = host.read(), sorted(tmp_path.iterdir())
    web.put("a.txt", b"a")
    content = json.dumps(ITEMS[what](host)).encode()
    options = StageInOptions(**{**vars(listed(web)), "asset_alternates": ("file",)})
    attempt(web.put("item.json", content), tmp_path, options, "Directory")
    assert host.read() == before
    assert {*tmp_path.iterdir()} - {*around} <= {tmp_path / "in", tmp_path / "web"}
    assert host.contacts == []
    assert find_canary(tmp_path / "in") == []


@pytest.mark.parametrize("kind", ["File", "Directory"])
def test_a_compressed_answer_is_no_bomb(kind: str, web: FileServer, tmp_path: Path) -> None:
    bomb = gzip.compress(b"[" + b" " * (200 << 20))
    url = web.put("item.json", b"{}")
    web.fail_always("item.json", Fault(status=200, headers={"Content-Encoding": "gzip"}, body=bomb))
    attempt(url, tmp_path, listed(web), kind)
    written = [path for path in (tmp_path / "in").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in written) <= 2_000_000


@pytest.mark.parametrize("text", ['{"a":' * 100_000, "[" * 100_000, '{"links": ' + "[" * 50_000])
def test_a_document_that_is_nested_without_end_is_an_error(text: str, web: FileServer, tmp_path: Path) -> None:
    assert attempt(web.put("item.json", text.encode()), tmp_path, listed(web), "Directory")


PRINTED = {
    "the title of a window": "\x1b]0;owned\x07",
    "the clipboard": "\x1b]52;c;b3duZWQ=\x07",
    "a link": "\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\",
    "the cursor": "\x1b[2J\x1b[1;1H",
    "a reset": "\x1bc",
    "an answer of the terminal": "\x1b[6n\x1b[>c",
    "an open string": "\x1bP+q544e\x1b",
    "C1 controls": "\x9b2J\x9d0;x\x9c",
    "a carriage return": "failed\rsucceeded",
    "back spaces": "failed\x08\x08\x08\x08\x08\x08",
    "a line": "a\n2026-01-01T00:00:00.000Z [job] SUCCESSFUL, results: x",
    "a line of Unicode": "a\u2028b\u2029c\x85d",
    "the other direction": "a\u202egnp.exe\u2066x\u2069",
    "NUL": "a\0b",
    "no Unicode": "a\udcffb",
    "colours": "\x1b[31;44mred\x1b[m",
    "colours without end": "\x1b[31m\x1b[38;5;" + "1;" * 10_000 + "m\x1b[" + "9" * 10_000 + "mx",
}
ODD = {*map(chr, (*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), 0x2066, 0x2069))}


@pytest.mark.parametrize("what", PRINTED)
def test_nothing_that_is_printed_controls_the_reader_of_a_log(what: str, tmp_path: Path) -> None:
    paths = JobPaths.build(Folders(tmp_path / "temp", tmp_path / "state", tmp_path / "scratch"), "w", "j")
    text = PRINTED[what]
    events: list[Event] = [
        EngineLine("warning", text),
        StepStarted(text, text, 0.0),
        StepLines("s", tuple(text.split("\n"))),
    ]
    with JobLog(paths, Masker()) as log:
        for event in events:
            log(event)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    content = "".join(path.read_text(errors="surrogateescape") for path in written)
    assert len(written) >= 3
    assert ODD.isdisjoint(content)
    # whoever printed it is named in each line
    assert not [line for line in paths.job_log.read_text().splitlines() if line.startswith("2026-01-01")]


def test_colours_hide_nothing_from_who_reads_a_page(tmp_path: Path) -> None:
    attempts = ("8", "30;40", "37;47", "31;41", "38;5;16;48;5;16", "38;2;9;9;9;48;2;9;9;9", "7;8", "2;90;100")
    lines = [make_coloured_line(f"\x1b[{codes}mFAILED\x1b[0m") for codes in attempts]
    assert set(map(str, lines)) == {"FAILED"}
    shown = {run.style.list_classes() for line in lines if isinstance(line, ColouredLine) for run in line.runs}
    # a ground has an ink of its own, which can be read
    assert {one for one in shown if "ground" in one and "ink" in one} == set()
    assert shown <= {"", *(f"{kind}-{hue}" for kind in ("ink", "ground") for hue in HUES)}


@pytest.mark.parametrize("what", PRINTED)
def test_nothing_in_a_message_controls_the_terminal(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_message(f"error: {PRINTED[what]}".encode(errors="replace").decode())
    assert ODD.isdisjoint(capsys.readouterr().err)


SECRET = "Tr0ub4dor&3 /+=\u00fc\"'<x>"
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in an address": lambda s: urllib.parse.quote(s, safe=""),
    "in a form": urllib.parse.quote_plus,
    "in an address twice": lambda s: urllib.parse.quote(urllib.parse.quote(s, safe=""), safe=""),
    "in JSON": json.dumps,
    "in JSON in JSON": lambda s: json.dumps(json.dumps(s)),
    "in JSON as it is": lambda s: json.dumps(s, ensure_ascii=False),
    "in HTML": html.escape,
    "in base64": lambda s: base64.b64encode(s.encode()).decode(),
    "in base64 for addresses": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "in base64 behind a user": lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
    "in base64 within more": lambda s: base64.b64encode(f"xx{s}yy".encode()).decode(),
    "in hexadecimal": lambda s: s.encode().hex(),
    "in hexadecimal capitals": lambda s: s.encode().hex().upper(),
    "of Python": repr,
    "in JSON of Go": lambda s: json.dumps(s).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
    "in escapes of Unicode": lambda s: "".join(f"\\u{ord(character):04X}" for character in s),
    "in escapes of bytes": lambda s: "".join(f"\\x{byte:02x}" for byte in s.encode()),
    "in octal escapes": lambda s: "".join(f"\\{byte:03o}" for byte in s.encode()),
    "in numbers of HTML": lambda s: "".join(f"&#{ord(character)};" for character in s),
    "in hexadecimal numbers of HTML": lambda s: "".join(f"&#x{ord(character):X};" for character in s),
    "in escapes within JSON": lambda s: json.dumps("".join(f"\\x{byte:02x}" for byte in s.encode())),
    "in one escape": lambda s: f"\\x{ord(s[0]):02x}{s[1:]}",
    "in a URL's password": lambda s: f"https://u:{urllib.parse.quote(s, safe='')}@h/",
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_no_encoding_gets_a_secret_past_the_masker(name: str) -> None:
    encoded = ENCODINGS[name](SECRET)
    masked = Masker([SECRET]).mask(f"before {encoded} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    inner = encoded.strip("\"'")[8:-8]
    assert inner not in masked


NAMED = {
    "a cookie": f"< Set-Cookie: sid={CANARY}; Path=/",
    "cookies": f"'Cookie': 'a=1; session={CANARY}'",
    "an option": f"tool --password {CANARY} in.tif",
    "an option with more in its name": f"tool --token-of-user {CANARY}",
    "an option with a sign": f"tool --secret={CANARY}",
    "a header": f"> X-Api-Key: {CANARY}",
    "a variable": f"export MY_SECRET_ACCESS_KEY={CANARY}",
    "a proxy": f"Proxy-Authorization: Basic {CANARY}",
    "a bucket": f"s3://id:{CANARY}@bucket/key",
    "an address in an address": f"https://h/?next=https%3A%2F%2Fi%2F%3Fsig%3D{CANARY}",
}


@pytest.mark.parametrize("name", NAMED)
def test_no_secret_that_has_a_name_is_left_in_a_text(name: str) -> None:
    assert CANARY not in Masker().mask(NAMED[name])


def test_a_canary_is_found_where_nothing_is_refused(host: Host, tmp_path: Path) -> None:
    logging.getLogger("stagein").setLevel(logging.ERROR)
    assert attempt(host.url, tmp_path, StageInOptions(retries=0)) == ""
    assert find_canary(tmp_path / "in")
    assert CANARY
