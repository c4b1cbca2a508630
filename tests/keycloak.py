"""Keycloak for tests: the server that `make keycloak` starts or KEYCLOAK_URL names, with the realm of dev/keycloak."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.require import require

PASSWORD = "only-for-tests"
SERVER = "zoo-runner-server"
"""The client that a server is at the realm: it exchanges tokens of callers."""
SECONDS = 60


def find_keycloak() -> str:
    """Return the address of the server, or skip the test."""
    url = os.environ.get("KEYCLOAK_URL", "http://127.0.0.1:8480")  # noqa: TID251 where the tests learn of the server
    try:
        _send(f"{url}/realms/eo/.well-known/openid-configuration")
    except (urllib.error.URLError, OSError):
        require(False, "no server: make keycloak")
    return url


def get_token(url: str, user: str, client: str = "zoo-runner", kind: str = "access_token") -> str:
    """Log in as a user of the realm."""
    fields = {"grant_type": "password", "username": user, "password": PASSWORD, "scope": "openid"}
    return _ask_token(url, "eo", {**fields, "client_id": client}, kind)


def get_service_token(url: str) -> str:
    """Log in as the program `harvester`."""
    fields = {"grant_type": "client_credentials", "client_id": "harvester", "client_secret": PASSWORD}
    return _ask_token(url, "eo", fields)


def rotate_keys(url: str) -> None:
    """Have the realm sign with a new key from now on."""
    headers = _build_admin_headers(url)
    realm = json.loads(_send(f"{url}/admin/realms/eo", headers=headers))
    components = f"{url}/admin/realms/eo/components"
    kind = "org.keycloak.keys.KeyProvider"
    known = json.loads(_send(f"{components}?type={kind}", headers=headers))
    highest = max(int(one["config"].get("priority", ["0"])[0]) for one in known)
    key = {
        "name": f"rsa-{highest + 1}",
        "providerId": "rsa-generated",
        "providerType": kind,
        "parentId": realm["id"],
        "config": {"priority": [str(highest + 1)], "algorithm": ["RS256"], "keySize": ["2048"]},
    }
    _send(components, json.dumps(key).encode(), headers)


def _ask_token(url: str, realm: str, fields: Mapping[str, str], kind: str = "access_token") -> str:
    body = urllib.parse.urlencode(fields).encode()
    answer: dict[str, Any] = json.loads(_send(f"{url}/realms/{realm}/protocol/openid-connect/token", body))
    return str(answer[kind])


def _send(
    url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, method: str | None = None
) -> bytes:
    request = urllib.request.Request(url, body, dict(headers or {}), method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        data: bytes = response.read()
    return data


def is_active(url: str, token: str) -> bool:
    """Ask the provider whether a token holds (RFC 7662)."""
    fields = {"token": token, "client_id": SERVER, "client_secret": PASSWORD}
    body = urllib.parse.urlencode(fields).encode()
    answer = json.loads(_send(f"{url}/realms/eo/protocol/openid-connect/token/introspect", body))
    return bool(answer["active"])


def add_user(url: str, user: str, group: str) -> None:
    """Add a user of a group, who logs in with the password of the others."""
    described = {
        "username": user,
        "enabled": True,
        "email": f"{user}@example.org",
        "firstName": "Eve",
        "lastName": "Else",
        "groups": [f"/{group}"],
        "credentials": [{"type": "password", "value": PASSWORD}],
    }
    _send(f"{url}/admin/realms/eo/users", json.dumps(described).encode(), _build_admin_headers(url))


def leave_groups(url: str, user: str) -> None:
    """Take a user out of all groups."""
    headers, users = _build_admin_headers(url), f"{url}/admin/realms/eo/users"
    (found,) = json.loads(_send(f"{users}?username={user}&exact=true", headers=headers))
    groups = f"{users}/{found['id']}/groups"
    for group in json.loads(_send(groups, headers=headers)):
        _send(f"{groups}/{group['id']}", headers=headers, method="DELETE")


def add_client(url: str, client: str, redirect: str) -> None:
    """Have the realm know a server as a client with a secret, at which people log in."""
    described = {
        "clientId": client,
        "secret": PASSWORD,
        "publicClient": False,
        "standardFlowEnabled": True,
        "directAccessGrantsEnabled": False,
        "redirectUris": [redirect],
        "attributes": {"pkce.code.challenge.method": "S256"},
        "defaultClientScopes": ["basic", "runner"],
    }
    _send(f"{url}/admin/realms/eo/clients", json.dumps(described).encode(), _build_admin_headers(url))


def _build_admin_headers(url: str) -> dict[str, str]:
    fields = {"grant_type": "password", "username": "admin", "password": PASSWORD, "client_id": "admin-cli"}
    return {"Authorization": f"Bearer {_ask_token(url, 'master', fields)}", "Content-Type": "application/json"}
