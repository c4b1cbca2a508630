"""What pages load: made by others as noted, and small."""

import gzip
from hashlib import sha256

import pytest

from zoo_runner.server.pages.assets import VENDORED, load_assets

MAP = ("leaflet.js", "leaflet.css", "land.json", "map.js")
# Leaflet 1.9.4 as built by its authors; land.json from world-atlas 2.0.2 (dev/map)
DIGESTS = {
    "land.json": "eb230d2d2c4642af7785ab976862337c8860edbe210c9f5a625b71be6dbe205e",
    "leaflet-LICENSE.txt": "53e8dc25862014e4324741ca18fbe3611e11d42ef69f59f86ea8c5389647d4cb",
    "leaflet.css": "a7837102824184820dfa198d1ebcd109ff6d0ff9a2672a074b9a1b4d147d04c6",
    "leaflet.js": "db49d009c841f5ca34a888c96511ae936fd9f5533e90d8b2c4d57596f4e5641a",
}


def test_what_others_have_made_is_as_it_was_taken() -> None:
    assert {file.name: sha256(file.read_bytes()).hexdigest() for file in VENDORED.iterdir()} == DIGESTS


@pytest.mark.parametrize(("with_map", "most_bytes"), [(False, 30_000), (True, 130_000)])
def test_what_pages_load_leaves_room_for_the_page(with_map: bool, most_bytes: int) -> None:
    """A page has at most 150 kB without a map and 500 kB with one."""
    loaded = [one for name, one in load_assets().items() if with_map or name not in MAP]
    assert sum(len(gzip.compress(one.body, 6)) for one in loaded) < most_bytes
