"""Keep how many tenants there are of a state, plan and placement: counting a million takes too long."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# The database itself counts, whichever release writes.
expands = True

MORE = (
    "INSERT INTO tenant_counts (state, plan, placement, number) "
    "VALUES (NEW.state, NEW.plan, NEW.placement, 1) "
    "ON CONFLICT (state, plan, placement) DO UPDATE SET number = tenant_counts.number + 1;"
)
FEWER = (
    "UPDATE tenant_counts SET number = number - 1 "
    "WHERE state = OLD.state AND plan = OLD.plan AND placement = OLD.placement;"
)
MOMENTS = {
    "INSERT": MORE,
    "UPDATE OF state, plan, placement": FEWER + MORE,
    "DELETE": FEWER,
}
"""What a trigger does, by its moment."""


def upgrade() -> None:
    op.create_table(
        "tenant_counts",
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("plan", sa.String(length=40), nullable=False),
        sa.Column("placement", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("state", "plan", "placement", name="pk_tenant_counts"),
    )
    op.execute(
        "INSERT INTO tenant_counts SELECT state, plan, placement, count(*) FROM tenants "
        "GROUP BY state, plan, placement"
    )
    for moment, statements in MOMENTS.items():
        name = _name(moment)
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"CREATE TRIGGER {name} AFTER {moment} ON tenants BEGIN {statements} END")
            continue
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {statements} RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} AFTER {moment} ON tenants "
            f"FOR EACH ROW EXECUTE FUNCTION {name}()"
        )


def downgrade() -> None:
    for moment in MOMENTS:
        name = _name(moment)
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER {name}")
        else:
            op.execute(f"DROP TRIGGER {name} ON tenants")
            op.execute(f"DROP FUNCTION {name}()")
    op.drop_table("tenant_counts")


def _name(moment: str) -> str:
    return f"tenants_counted_{moment.split(maxsplit=1)[0].lower()}"
