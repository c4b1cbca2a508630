"""Makes a grey picture (PGM) smaller and describes it as STAC; goes wrong where its last word says so."""

import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")


def read_source(kind: str, source: str) -> bytes:
    """The picture at an address, or the first asset of the first item of a STAC catalog."""
    if kind == "--url":
        with urllib.request.urlopen(source) as answer:
            return bytes(answer.read())
    catalog = Path(source, "catalog.json")
    (href, *_) = [link["href"] for link in json.loads(catalog.read_text())["links"] if link["rel"] == "item"]
    item = catalog.parent / str(href)
    (asset, *_) = json.loads(item.read_text())["assets"].values()
    return (item.parent / str(asset["href"])).read_bytes()


def resize(picture: bytes, percent: int) -> bytes:
    """Every pixel that a step of 100 / percent hits."""
    _, width, height, most, pixels = picture.split(maxsplit=4)
    step = 100 // percent
    rows = [pixels[row * int(width) :][: int(width) : step] for row in range(0, int(height), step)]
    return b"P5 %d %d %d\n" % (len(rows[0]), len(rows), int(most)) + b"".join(rows)


def build_item() -> dict[str, Any]:
    return {
        **{"type": "Feature", "stac_version": "1.0.0", "id": "small", "geometry": None, "links": []},
        "properties": {"datetime": "2024-07-31T10:15:00Z"},
        "assets": {"small": {"href": "small.pgm", "type": "image/x-portable-graymap", "roles": ["data"]}},
    }


def build_catalog(kind: str | None) -> dict[str, Any]:
    links = [{"rel": "item", "href": "small.json", "type": "application/geo+json"}] if kind else []
    return {
        "type": kind or "Catalog",
        "stac_version": "1.0.0",
        "id": "catalog",
        "description": "Root catalog",
        "links": links,
    }


def main(function: str, kind: str, source: str, size: str, wrong: str) -> None:
    say("convert:", function, kind, source, size)
    if wrong == "application error":
        sys.exit("Random error raised")
    if function != "resize":
        sys.exit(f"ERROR: unknown function {function}")
    picture = read_source(kind, source)
    if wrong.startswith("sleep "):
        say("SLEEP: START")
        time.sleep(float(wrong.split()[1]))  # noqa: TID251 this is what it is for
        say("SLEEP: DONE")
    if wrong == "no outputs":
        return
    Path("small.pgm").write_bytes(resize(picture, int(size.rstrip("%"))))
    if wrong != "no items":
        Path("small.json").write_text(json.dumps(build_item()))
    if wrong != "no catalog":
        made = {"invalid STAC": "catalog", "empty catalog": None}.get(wrong, "Catalog")
        Path("catalog.json").write_text(json.dumps(build_catalog(made)))


main(*sys.argv[1:])
