"""What harvests have noted in a folder, as a backup keeps it: so that it fits the processes of the same backup; pure.

The records of a harvest say what the server has. Those that change during a backup may speak of processes that
are not in it: a harvest that trusted them would deploy these never again.
"""

import json
from collections.abc import Mapping
from typing import Any


def settle(before: bytes, after: bytes) -> bytes:
    """Return a record that is right for any moment between two: what differs is still to be done, and so done again.

    Empty: there was none. What is no record of a source, such as the attempts of messages, is that of `after`.
    """
    if before == after:
        return after
    old, new = _read(before), _read(after)
    if old is None or new is None:
        return after or before
    known = {**old["deployed"], **new["deployed"]}
    unsure = {name for name in known if old["deployed"].get(name) != new["deployed"].get(name)}
    deployed = {name: {**one, "done": False} if name in unsure else one for name, one in known.items()}
    return json.dumps({**(new if after else old), "commit": "", "deployed": deployed}).encode()


def _read(document: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(document) if document else {"deployed": {}}
    except ValueError:
        return None
    is_record = isinstance(found, dict) and isinstance(found.get("deployed"), dict)
    return found if is_record else None
