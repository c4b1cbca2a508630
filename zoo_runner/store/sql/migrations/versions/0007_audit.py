"""Add the audit log, whose rows can be neither changed nor removed."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0007"
down_revision = "0006"

_REFUSAL = "rows of the audit log are neither changed nor removed"
_FUNCTION = f"""
CREATE FUNCTION zoo_runner_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '{_REFUSAL}';
END
$$
"""


def upgrade() -> None:
    """Add the table and its triggers; where rows of an older schema are restored, the log is there already."""
    if sa.inspect(op.get_bind()).has_table("audit"):
        return
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("time", sorted_text(32), nullable=False),
        sa.Column("workspace", sa.String(255), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("audit_of_workspace", "audit", ["workspace", "number"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
        for events, level in (("UPDATE OR DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            name = f"audit_keeps_{level.lower()}s"
            trigger = f"CREATE TRIGGER {name} BEFORE {events} ON audit FOR EACH {level}"
            op.execute(f"{trigger} EXECUTE FUNCTION zoo_runner_keep_audit()")
        return
    for event in ("UPDATE", "DELETE"):
        name = f"audit_refuses_{event.lower()}"
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON audit BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END")
