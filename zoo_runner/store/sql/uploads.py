"""Uploads in a database: what clients have sent to be inputs of jobs, how much of it there is, and what has expired."""

import json
from collections.abc import Iterator

from sqlalchemy import Connection, delete, func, select

from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.errors import InputError, JobNotFoundError
from zoo_runner.model.upload import Upload
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import UPLOADS


class SqlUploads:
    """The uploads of all workspaces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, upload: Upload, most_bytes: float) -> None:
        """Keep an upload, unless its workspace had more than so many bytes then; raises `InputError`."""
        values = {
            "id": upload.id,
            "workspace": upload.workspace,
            "expires": upload.expires,
            "size_bytes": upload.size_bytes,
            "body": json.dumps(to_plain(upload)),
        }
        with self._database.writing() as connection:
            # two that are sent at once must not both find room
            self._database.take_turn(connection, f"uploads of {upload.workspace}")
            _ensure_room(connection, upload.workspace, upload.size_bytes, most_bytes)
            connection.execute(UPLOADS.insert().values(values))

    def ensure_room(self, workspace: str, size_bytes: int, most_bytes: float) -> None:
        """Refuse so many bytes more where a workspace would have more than it may have; raises `InputError`."""
        with self._database.reading() as connection:
            _ensure_room(connection, workspace, size_bytes, most_bytes)

    def get(self, workspace: str, upload_id: str) -> Upload:
        """Return an upload; raises `JobNotFoundError` (`upload.not-found`)."""
        found = select(UPLOADS.c.body).where(UPLOADS.c.id == upload_id, UPLOADS.c.workspace == workspace)
        with self._database.reading() as connection:
            body = connection.execute(found).scalar_one_or_none()
        if body is None:
            raise JobNotFoundError(
                f"there are no files {upload_id!r}", "They may have expired: send them again.", code="upload.not-found"
            )
        return from_plain(Upload, json.loads(body))

    def remove(self, upload_id: str) -> None:
        """Forget an upload; what is gone already is fine."""
        with self._database.writing() as connection:
            connection.execute(delete(UPLOADS).where(UPLOADS.c.id == upload_id))

    def find_expired(self, until: str) -> Iterator[Upload]:
        """Yield the uploads that expired before a stored time."""
        with self._database.reading() as connection:
            bodies = connection.execute(select(UPLOADS.c.body).where(UPLOADS.c.expires < until)).scalars().all()
        return (from_plain(Upload, json.loads(body)) for body in bodies)


def _ensure_room(connection: Connection, workspace: str, size_bytes: int, most_bytes: float) -> None:
    wanted = _sum(connection, workspace) + size_bytes
    if wanted > most_bytes:
        raise InputError(
            f"uploaded files would take {wanted} bytes of workspace {workspace}, and may take {most_bytes:.0f}",
            "Delete files that are not needed any more, or wait until they expire.",
            code="upload.full",
        )


def _sum(connection: Connection, workspace: str) -> int:
    total = func.coalesce(func.sum(UPLOADS.c.size_bytes), 0)
    # PostgreSQL answers with a decimal number
    return int(connection.execute(select(total).where(UPLOADS.c.workspace == workspace)).scalar_one())
