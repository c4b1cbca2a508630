"""Operations on the secrets of a workspace: they are set, listed by name, and never answered."""

from collections.abc import Mapping
from typing import Any

from zoo_runner.model.secret import StoredSecret
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import SecretInfo, SecretList
from zoo_runner.server.invalid_requests import build_invalid


def list_secrets(api: Api, call: Call) -> SecretList:
    """List the secrets of a workspace without their values."""
    found = api.vault.list_all(call.workspace)
    return {"secrets": [describe_secret(one) for one in found], "links": call.link_pages("secrets", None)}


def put_secret(api: Api, call: Call, name: str, request: Mapping[str, Any]) -> None:
    """Set a secret of a workspace; raises `InputError`, and `SettingsError` where the server keeps none."""
    if set(request) != {"value"}:
        raise build_invalid("the body is not an object with `value` alone", 'Send {"value": "…"}.')
    api.vault.put(call.workspace, name, request["value"], call.caller)


def describe_secret(secret: StoredSecret) -> SecretInfo:
    """Describe a secret without its value."""
    info: SecretInfo = {"name": secret.name, "changed": secret.changed}
    return {**info, "caller": secret.caller} if secret.caller else info
