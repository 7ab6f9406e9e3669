"""The provider's side of rewritten and translated calls, and replies that later requests continue by their id.

Why: what a route made of a call is a second pair of bodies beside the client's. They lie in tables of their own,
so that nothing is wider for the many calls that pass untouched. `reply_name` lets `previous_response_id` find
the exchange it means; exchanges of before get theirs when they are parsed again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORD = sa.Text().with_variant(sa.Text(collation="NOCASE"), "sqlite")


def upgrade() -> None:
    op.add_column("exchange", sa.Column("route", WORD))
    op.add_column("exchange", sa.Column("upstream_dialect", WORD))
    op.add_column("exchange", sa.Column("upstream_model", WORD))
    op.add_column("exchange", sa.Column("losses", sa.Integer()))
    for name in ("losses", "route", "upstream_dialect"):
        where = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"exchange_{name}", "exchange", [name], sqlite_where=where, postgresql_where=where)
    op.create_table(
        "upstream_request",
        sa.Column("key", KEY, autoincrement=False, nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "upstream_reply",
        sa.Column("key", KEY, autoincrement=False, nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("frames", sa.LargeBinary()),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "reply_name",
        sa.Column("key", KEY, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("reply_name_name", "reply_name", ["name"])
