"""A personal token: what a program shows in place of the person who made it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PersonalToken:
    """A token of a person for one workspace; times are stored ones.

    `scopes` are actions of policies, or families of them such as `job.*`. `by_operator`: an operator has made it
    for its owner.
    """

    id: str
    workspace: str
    owner: str
    title: str
    scopes: tuple[str, ...]
    created: str
    expires: str
    by_operator: bool = False
