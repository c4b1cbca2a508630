"""Have PostgreSQL notify listeners that a job was created or has another status."""

from alembic import op

revision = "0006"
down_revision = "0005"

_FUNCTION = """
CREATE OR REPLACE FUNCTION zoo_runner_tell_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('zoo_runner_jobs', NEW.id);
  RETURN NULL;
END $$
"""
_TRIGGERS = (
    "CREATE TRIGGER jobs_created AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION zoo_runner_tell_of_job()",
    "CREATE TRIGGER jobs_moved AFTER UPDATE OF status ON jobs FOR EACH ROW"
    " WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION zoo_runner_tell_of_job()",
)


def upgrade() -> None:
    """Add the triggers."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in (_FUNCTION, *_TRIGGERS):
            op.execute(statement)
