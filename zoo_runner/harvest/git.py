"""Reads documents of a git repository, by dulwich: over https, ssh, or from a disk; nothing of it is checked out.

One commit is fetched, without its history, so that a rewritten history or a forced push is a commit like any other.
Runs in a process with limits (`fetching`): what a repository has may be of any size.
"""

import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit

from dulwich.client import default_urllib3_manager, get_transport_and_path
from dulwich.objects import Commit, ObjectID
from dulwich.repo import Repo

from zoo_runner.harvest.addresses import is_over_ssh
from zoo_runner.harvest.branches import MOST_BRANCHES, order_branches
from zoo_runner.harvest.patterns import build_matcher
from zoo_runner.harvest.sources import Source
from zoo_runner.model.errors import EngineError, SettingsError
from zoo_runner.model.masking import Masker

SUFFIXES = (".cwl", ".yml", ".yaml", ".json", ".js", ".txt")
"""Of what documents refer to: others are not read from a repository."""
LARGEST_BYTES, MOST_BYTES, MOST_FILES = 1 << 20, 64 << 20, 10_000
"""Of one document, of all documents together, and how many files a folder may have."""
_SECONDS = 60.0
HOST_KEY = "harvest.host-key"
_SSH, _UNKNOWN_HOST = "ssh", "Host key verification failed"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"
_SUBMODULE = 0o160000
_HEADS = "refs/heads/"
_ITSELF = "."


@dataclass(frozen=True)
class Tree:
    """The texts of the documents of a commit by path, and why others were not read; `whole`: none is unknown."""

    commit: str
    documents: Mapping[str, str]
    unread: Mapping[str, str]
    whole: bool = True


class Remote:
    """The repository of a source. Raises `EngineError` where it does not answer or lacks what is asked for."""

    def __init__(self, source: Source) -> None:
        self._source, password = source, _read_password(source)
        self._mask = Masker([password] if password else []).mask
        # dulwich's own has no time-out
        is_web = urlsplit(source.url).scheme in ("http", "https")
        pool: Any = default_urllib3_manager(None, base_url=source.url, timeout=_SECONDS) if is_web else None
        with self._translating():
            self._client, self._path = get_transport_and_path(
                source.url,
                username=source.user or None,
                password=password or None,
                quiet=True,
                pool_manager=pool,
                ssh_command=build_ssh_command(source) if is_over_ssh(source.url) else None,
            )

    def list_branches(self) -> dict[str, str]:
        """Return the commits of the branches that the source names, in the order of its patterns."""
        refs = self._read_refs()
        commits = {name: sha.decode() for ref, sha in refs.items() if sha and (name := _name_branch(ref))}
        if not commits:
            # of a server that has lost its data, or answers for another: that is no reason to undeploy anything
            raise EngineError(
                f"{self._source.url} shows no branch at all",
                "Check the git server. What was deployed stays until it shows branches.",
                code="harvest.repository",
            )
        chosen = order_branches(self._source.branches, commits)
        if len(chosen) > MOST_BRANCHES:
            raise EngineError(
                f"{self._source.url} has {len(chosen)} branches that match {', '.join(self._source.branches)};"
                f" a source has at most {MOST_BRANCHES}",
                "Narrow the branches of the source.",
                code="harvest.repository",
            )
        return {name: commits[name] for name in chosen}

    def _read_refs(self) -> Mapping[bytes, bytes | None]:
        with self._translating():
            return cast(Mapping[bytes, bytes | None], self._client.get_refs(self._path.encode()).refs)

    def find_commit(self) -> str:
        """Find the commit of the branch."""
        refs = self._read_refs()
        name = f"{_HEADS}{self._source.branch}" if self._source.branch else "HEAD"
        commit = next((sha for ref, sha in refs.items() if ref == name.encode()), None)
        if commit is None:
            branches = sorted(ref.decode(errors="replace")[11:] for ref in refs if ref.startswith(b"refs/heads/"))
            raise EngineError(
                f"{self._source.url} has no branch {self._source.branch or 'that is its default'!r};"
                f" it has {', '.join(branches[:20]) or 'none'}",
                "Correct the branch of the source.",
                code="harvest.repository",
            )
        return str(commit.decode())

    def read(self, commit: str, scratch: Path) -> Tree:
        """Read the documents of a commit; what is fetched lies in `scratch`, an empty folder that its owner removes."""
        wanted, path = [ObjectID(commit.encode())], self._path.encode()
        with self._translating(), Repo.init_bare(str(scratch)) as repository:
            self._client.fetch(path, repository, determine_wants=lambda refs, depth=None: wanted, depth=1)
            return _read_tree(repository, commit, self._source)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Translate what dulwich raises, which includes errors of HTTP, sockets and damaged data."""
        try:
            yield
        except EngineError:
            raise
        # an error of the transport may be of any library below dulwich
        except Exception as error:
            said = self._mask(str(error) or type(error).__name__)
            if is_over_ssh(self._source.url) and isinstance(error, FileNotFoundError) and error.filename == _SSH:
                said = "the program ssh, which reads it, is not installed"
            raise EngineError(
                f"the repository {self._mask(self._source.url)} cannot be read: {said}",
                _choose_remedy(said, over_ssh=is_over_ssh(self._source.url)),
                code=HOST_KEY if _UNKNOWN_HOST in said else "harvest.repository",
            ) from error


def _name_branch(ref: bytes) -> str:
    """Return the name of the branch of a ref; empty for another one, and for a name that is not UTF-8."""
    return _decode(ref).removeprefix(_HEADS) if ref.startswith(_HEADS.encode()) else ""


def _choose_remedy(said: str, *, over_ssh: bool) -> str:
    if _UNKNOWN_HOST in said:
        return (
            "Compare the key that `ssh-keyscan` prints of this host with the one that its operator publishes, and"
            " add it to the file in known-hosts-file of the source."
        )
    if over_ssh:
        return "Check its address, that key-file has a key which may read it, that ssh is installed, and the network."
    return "Check its address, the user and the password file of the source, and the network."


def build_ssh_command(source: Source) -> str:
    """Build the command that connects to the host of a source: it asks nobody, and accepts no key that is not known."""
    words = [_SSH, "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", f"-oConnectTimeout={_SECONDS:.0f}"]
    words += [f"-oServerAliveInterval={_SECONDS / 4:.0f}", "-oForwardAgent=no", "-oClearAllForwardings=yes"]
    if source.known_hosts_file:
        words += [f"-oUserKnownHostsFile={_quote(source.known_hosts_file)}", "-oGlobalKnownHostsFile=none"]
    if source.key_file:
        words += [f"-oIdentityFile={_quote(source.key_file)}", "-oIdentitiesOnly=yes", "-oIdentityAgent=none"]
    return shlex.join(words)


def _quote(path: str) -> str:
    """Write a path as an option of ssh, which splits it at spaces and replaces `%h` and the like."""
    return '"{}"'.format(path.replace("%", "%%"))


def _read_password(source: Source) -> str:
    if not source.password_file:
        return ""
    try:
        return Path(source.password_file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the password file {source.password_file} of {source.url} cannot be read: {error}",
            "Correct password-file of the source, or the permissions of the file.",
            code="harvest.sources",
        ) from error


def _read_tree(repository: Repo, commit: str, source: Source) -> Tree:
    documents: dict[str, str] = {}
    unread: dict[str, str] = {}
    store, left, number = repository.object_store, MOST_BYTES, 0
    matches = build_matcher(source.include, source.exclude)
    whole, is_there = True, not source.folder
    for entry in store.iter_tree_contents(cast(Commit, repository[commit.encode()]).tree):
        path = _find_path(entry.path, source.folder)
        if path is None:
            continue
        number, is_there = number + 1, True
        if number > MOST_FILES:
            unread[path] = f"is beyond the first {MOST_FILES:,} files: narrow the folder of the source"
            return Tree(commit, documents, unread, whole=False)
        # the folder of the source itself, or one that it is in
        whole = whole and path != _ITSELF
        if other := _find_other(entry.mode, path):
            unread[path] = other
        is_chosen = matches(path) or PurePosixPath(path).suffix in SUFFIXES
        if stat.S_ISREG(entry.mode) and is_chosen:
            content = store[entry.sha].as_raw_string()
            text = _decode(content)
            if why := _refuse(entry.path, content, text, left):
                unread[path] = why
            else:
                documents[path], left = text, left - len(content)
    if not is_there:
        unread[f"/{source.folder}"] = "is not in this commit: correct folder of the source if it was renamed"
    return Tree(commit, documents, unread, whole)


def _find_other(mode: int, path: str) -> str:
    """Say what an entry is that is neither a file nor a folder, if documents might be expected there."""
    if mode == _SUBMODULE:
        return "is a submodule, which is a repository of its own: add it as a source"
    if path == _ITSELF:
        return "is no folder in this commit: correct folder of the source"
    # what has another suffix is a picture or the like
    if stat.S_ISLNK(mode) and PurePosixPath(path).suffix in ("", *SUFFIXES):
        return "is a symbolic link, which is not followed: keep the file or folder itself there"
    return ""


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""


def _refuse(name: bytes, content: bytes, text: str, left: int) -> str:
    if not _decode(name):
        return "its name is not UTF-8: rename it"
    if content.startswith(_LFS_POINTER):
        return "is in Git LFS: keep documents in git itself"
    if len(content) > LARGEST_BYTES:
        return f"has {len(content):,} bytes; a document has at most {LARGEST_BYTES:,}"
    if content and not text:
        return "is not UTF-8"
    return "" if len(content) <= left else f"is beyond {MOST_BYTES >> 20} MiB of documents: narrow the folder"


def _find_path(name: bytes, folder: str) -> str | None:
    """Return a path relative to the folder, `.` for one that takes the place of the folder; None for one outside."""
    whole = PurePosixPath(name.decode(errors="backslashreplace"))
    if not folder:
        return str(whole)
    if whole.is_relative_to(folder):
        return str(whole.relative_to(folder))
    return _ITSELF if PurePosixPath(folder).is_relative_to(whole) else None
