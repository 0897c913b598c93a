"""Refuse to change or remove a line of the audit trail."""

from alembic import op

revision = "0006"
down_revision = "0008"
branch_labels = None
depends_on = None

SENTENCE = "the audit trail is append-only"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for word in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_events_no_{word.lower()} BEFORE {word} ON audit_events "
                f"BEGIN SELECT RAISE(ABORT, '{SENTENCE}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{SENTENCE}' USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
        "ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for word in ("update", "delete"):
            op.execute(f"DROP TRIGGER audit_events_no_{word}")
        return
    op.execute("DROP TRIGGER audit_events_append_only ON audit_events")
    op.execute("DROP FUNCTION refuse_audit_change()")
