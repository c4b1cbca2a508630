"""A provider of identities for tests that need no Keycloak: it publishes its key, and signs tokens."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.servers import serve_files

AUDIENCE = "zoo-runner"


@dataclass(frozen=True)
class Issuer:
    """A provider; `url` is its name in tokens."""

    url: str
    key: RSAKey

    @property
    def settings(self) -> dict[str, str]:
        """What a server is claims_of to accept its tokens."""
        return {"ZOO_RUNNER_OIDC_ISSUER": self.url, "ZOO_RUNNER_OIDC_AUDIENCE": AUDIENCE}

    def sign(self, name: str, *workspaces: str, **claims: object) -> dict[str, str]:
        """Return the header by which somebody of these workspaces is let in."""
        now = int(time.time())
        claims_of = {"iss": self.url, "aud": AUDIENCE, "sub": name, "iat": now, "exp": now + 3600}
        claims_of |= {"preferred_username": name, "workspaces": list(workspaces), **claims}
        token = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims_of, self.key, algorithms=["RS256"])
        return {"Authorization": f"Bearer {token}"}


@contextmanager
def issuer(folder: Path) -> Iterator[Issuer]:
    """Run a provider while the block runs."""
    folder.mkdir()
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
    with serve_files(folder) as server:
        (folder / "keys").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
        place = folder / ".well-known"
        place.mkdir()
        document = {"issuer": server.url, "jwks_uri": f"{server.url}/keys"}
        (place / "openid-configuration").write_text(json.dumps(document))
        yield Issuer(server.url, key)
