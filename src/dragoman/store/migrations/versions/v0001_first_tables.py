"""The first tables.

Why: there is nothing yet. The tables' meaning stands in `store/schema.py`; here is what they were at first.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from dragoman.store import search

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORD = sa.Text().with_variant(sa.Text(collation="NOCASE"), "sqlite")


def upgrade() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("frames", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("exchange"),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "exchange",
        sa.Column("key", KEY, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("deleted_ns", sa.BigInteger()),
        sa.Column("is_finished", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("model_asked", WORD),
        sa.Column("model_served", WORD),
        sa.Column("provider", WORD),
        sa.Column("dialect", WORD),
        sa.Column("endpoint", WORD),
        sa.Column("client", WORD),
        sa.Column("is_streamed", sa.Boolean()),
        sa.Column("duration_ns", sa.BigInteger()),
        sa.Column("first_byte_ns", sa.BigInteger()),
        sa.Column("first_token_ns", sa.BigInteger()),
        sa.Column("last_token_ns", sa.BigInteger()),
        sa.Column("input_total", sa.BigInteger()),
        sa.Column("output", sa.BigInteger()),
        sa.Column("cache_read", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("origin", WORD, nullable=False),
        sa.Column("method", WORD, nullable=False),
        sa.Column("stop_reason", WORD),
        sa.Column("capture", sa.Text(), nullable=False),
        sa.Column("is_untouched", sa.Boolean()),
        sa.Column("parser_version", sa.Integer(), nullable=False),
        sa.Column("conversation", sa.Text()),
        sa.Column("session", sa.Text()),
        sa.Column("run", WORD),
        sa.Column("path", WORD, nullable=False),
        sa.Column("error_code", WORD),
        sa.Column("ending", sa.Text()),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("client_version", sa.Text()),
        sa.Column("peer", sa.Text()),
        sa.Column("parent", sa.Text()),
        sa.Column("turns", sa.Integer()),
        sa.Column("user", sa.Text()),
        sa.Column("tags", sa.Text()),
        sa.Column("input_fresh", sa.BigInteger()),
        sa.Column("cache_write_5m", sa.BigInteger()),
        sa.Column("cache_write_1h", sa.BigInteger()),
        sa.Column("reasoning", sa.BigInteger()),
        sa.Column("is_estimated", sa.Boolean(), nullable=False),
        sa.Column("native_stop_reason", sa.Text()),
        sa.Column("tools_declared", sa.Integer(), nullable=False),
        sa.Column("tools_called", sa.Text()),
        sa.Column("flags", sa.Text()),
        sa.Column("request_bytes", sa.BigInteger()),
        sa.Column("response_bytes", sa.BigInteger()),
        sa.Column("error_message", sa.Text()),
        sa.Column("preview", sa.Text()),
        sa.Column("reply_preview", sa.Text()),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("exchange_client", "exchange", ["client"])
    op.create_index("exchange_conversation", "exchange", ["conversation"])
    op.create_index("exchange_deleted", "exchange", ["deleted_ns"], **_where("deleted_ns IS NOT NULL"))
    op.create_index("exchange_dialect", "exchange", ["dialect"])
    op.create_index("exchange_duration_ns", "exchange", ["duration_ns"])
    op.create_index("exchange_endpoint", "exchange", ["endpoint"])
    op.create_index("exchange_error_code", "exchange", ["error_code"], **_where("error_code IS NOT NULL"))
    op.create_index("exchange_first_token_ns", "exchange", ["first_token_ns"], **_where("first_token_ns IS NOT NULL"))
    op.create_index("exchange_id", "exchange", ["id"], unique=True)
    op.create_index("exchange_input_total", "exchange", ["input_total"])
    op.create_index("exchange_model_asked", "exchange", ["model_asked"])
    op.create_index("exchange_model_served", "exchange", ["model_served"], **_where("model_served IS NOT NULL"))
    op.create_index("exchange_open", "exchange", ["is_finished"], **_where("is_finished = {}", "0", "false"))
    op.create_index("exchange_origin", "exchange", ["origin"])
    op.create_index("exchange_output", "exchange", ["output"])
    op.create_index("exchange_parser", "exchange", ["parser_version"], **_where("is_finished = {}", "1", "true"))
    op.create_index("exchange_provider", "exchange", ["provider"])
    op.create_index("exchange_run", "exchange", ["run"], **_where("run IS NOT NULL"))
    op.create_index("exchange_seq", "exchange", ["seq"], unique=True)
    op.create_index("exchange_session", "exchange", ["session"], **_where("session IS NOT NULL"))
    op.create_index("exchange_state", "exchange", ["state"])
    op.create_index("exchange_status", "exchange", ["status"])
    op.create_index("exchange_stop_reason", "exchange", ["stop_reason"], **_where("stop_reason IS NOT NULL"))
    op.create_table(
        "facts",
        sa.Column("key", KEY, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "label",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", WORD, nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "node",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("parent", sa.BigInteger(), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger()),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("node_hash", "node", ["hash"], unique=True)
    op.create_index("node_parent", "node", ["parent"])
    op.create_index("node_segment", "node", ["segment"])
    op.create_table(
        "pack",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "position",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "provider",
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("slug"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reply",
        sa.Column("key", KEY, autoincrement=False, nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("frames", sa.LargeBinary()),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sent_length", sa.BigInteger()),
        sa.Column("sent_frames", sa.LargeBinary()),
        sa.Column("sent", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "request",
        sa.Column("key", KEY, autoincrement=False, nullable=False),
        sa.Column("node", sa.BigInteger()),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("request_node", "request", ["node"])
    op.create_table(
        "rollup",
        sa.Column("minute", KEY, autoincrement=False, nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("error", sa.Integer(), nullable=False),
        sa.Column("other", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("minute"),
    )
    op.create_table(
        "search_source",
        sa.Column("key", KEY, autoincrement=False, nullable=False),
        sa.Column("segments", sa.LargeBinary(), nullable=False),
        sa.Column("extra", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "segment",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("pack", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("owner", sa.BigInteger()),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("segment_hash", "segment", ["hash"], unique=True)
    op.create_index("segment_pack", "segment", ["pack"])
    op.create_table(
        "setting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tombstone",
        sa.Column("seq", KEY, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    search.create(op.get_bind())


def _where(condition: str, sqlite: str = "", postgresql: str = "") -> dict[str, Any]:
    """Make an index partial; the words for true and false differ."""
    return {
        "sqlite_where": sa.text(condition.format(sqlite)),
        "postgresql_where": sa.text(condition.format(postgresql)),
    }
