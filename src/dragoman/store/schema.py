"""The tables, the same on SQLite and PostgreSQL.

An exchange's `key` is its place in time: milliseconds since 1970 times four, made unique by counting on. Lists
page by it, ranges of time are ranges of it, and on SQLite it is the row's place in the file. Everything that
belongs to an exchange lies in a table of its own under the same key, so that lists touch `exchange` alone.
The text index is no table here: it differs by engine, see `search.py`.
"""

import sqlalchemy as sa

KEY_STEPS_PER_MS = 1
HEAD = "0002"
"""The newest migration; a store at it is opened without loading Alembic."""

metadata = sa.MetaData()

Key = sa.BigInteger
"""SQLite takes any integer type as wide as it must be; a primary key must be called INTEGER there."""
PrimaryKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Word = sa.Text().with_variant(sa.Text(collation="NOCASE"), "sqlite")
"""Text that is looked up by its value; case does not matter."""

exchange = sa.Table(
    "exchange",
    metadata,
    sa.Column("key", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("deleted_ns", sa.BigInteger),
    sa.Column("is_finished", sa.Boolean, nullable=False),
    # what filters look at comes first: SQLite reads a row from its front
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("model_asked", Word),
    sa.Column("model_served", Word),
    sa.Column("provider", Word),
    sa.Column("dialect", Word),
    sa.Column("endpoint", Word),
    sa.Column("client", Word),
    sa.Column("is_streamed", sa.Boolean),
    sa.Column("duration_ns", sa.BigInteger),
    sa.Column("first_byte_ns", sa.BigInteger),
    sa.Column("first_token_ns", sa.BigInteger),
    sa.Column("last_token_ns", sa.BigInteger),
    sa.Column("input_total", sa.BigInteger),
    sa.Column("output", sa.BigInteger),
    sa.Column("cache_read", sa.BigInteger),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("origin", Word, nullable=False),
    sa.Column("method", Word, nullable=False),
    sa.Column("stop_reason", Word),
    sa.Column("capture", sa.Text, nullable=False),
    sa.Column("is_untouched", sa.Boolean),
    sa.Column("parser_version", sa.Integer, nullable=False),
    sa.Column("conversation", sa.Text),
    sa.Column("session", sa.Text),
    sa.Column("run", Word),
    sa.Column("path", Word, nullable=False),
    sa.Column("error_code", Word),
    # what lists show
    sa.Column("ending", sa.Text),
    sa.Column("started_ns", sa.BigInteger, nullable=False),
    sa.Column("client_version", sa.Text),
    sa.Column("peer", sa.Text),
    sa.Column("parent", sa.Text),
    sa.Column("turns", sa.Integer),
    sa.Column("user", sa.Text),
    sa.Column("tags", sa.Text),
    sa.Column("input_fresh", sa.BigInteger),
    sa.Column("cache_write_5m", sa.BigInteger),
    sa.Column("cache_write_1h", sa.BigInteger),
    sa.Column("reasoning", sa.BigInteger),
    sa.Column("is_estimated", sa.Boolean, nullable=False),
    sa.Column("native_stop_reason", sa.Text),
    sa.Column("tools_declared", sa.Integer, nullable=False),
    sa.Column("tools_called", sa.Text),
    sa.Column("flags", sa.Text),
    sa.Column("request_bytes", sa.BigInteger),
    sa.Column("response_bytes", sa.BigInteger),
    sa.Column("error_message", sa.Text),
    sa.Column("preview", sa.Text),
    sa.Column("reply_preview", sa.Text),
    # what a route did; most rows have none of it
    sa.Column("route", Word),
    sa.Column("upstream_dialect", Word),
    sa.Column("upstream_model", Word),
    sa.Column("losses", sa.Integer),
    sa.Index("exchange_id", "id", unique=True),
    sa.Index("exchange_seq", "seq", unique=True),
)

INDEXED = (
    "state", "status", "model_asked", "model_served", "provider", "dialect", "endpoint", "client", "duration_ns",
    "first_token_ns", "input_total", "output", "origin", "stop_reason", "conversation", "session", "run", "error_code",
    "route", "upstream_dialect", "losses",
)  # fmt: skip
"""Columns that a filter can begin with."""

SPARSE = frozenset(
    {
        *("session", "run", "error_code", "stop_reason", "first_token_ns", "model_served"),
        *("route", "upstream_dialect", "losses"),
    }
)
"""Of these, the ones that many rows do not have."""

for _name in INDEXED:
    _present = exchange.c[_name].is_not(None) if _name in SPARSE else None
    sa.Index(f"exchange_{_name}", exchange.c[_name], sqlite_where=_present, postgresql_where=_present)

for _name, _where in (
    ("open", exchange.c.is_finished == sa.false()),
    ("deleted", exchange.c.deleted_ns.is_not(None)),
    ("parser", exchange.c.is_finished == sa.true()),
):
    _column = {"open": "is_finished", "deleted": "deleted_ns", "parser": "parser_version"}[_name]
    sa.Index(f"exchange_{_name}", exchange.c[_column], sqlite_where=_where, postgresql_where=_where)

label = sa.Table(
    "label",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("value", Word, primary_key=True),
    sa.Column("key", Key, primary_key=True),
    sqlite_with_rowid=False,
)
"""What an exchange has several of: tools it called (`tool`), flags (`has`), tags (`tag`)."""

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("key", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""`Detail` without its row, packed."""

request = sa.Table(
    "request",
    metadata,
    sa.Column("key", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("node", sa.BigInteger),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("plan", sa.LargeBinary, nullable=False),
    sa.Index("request_node", "node"),
)
"""Of which parts the request's body consists; `node` is the end of its chain of messages."""

reply = sa.Table(
    "reply",
    metadata,
    sa.Column("key", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("frames", sa.LargeBinary),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("sent_length", sa.BigInteger),
    sa.Column("sent_frames", sa.LargeBinary),
    sa.Column("sent", sa.LargeBinary),
)
"""The reply's body and when its pieces came; `sent` is the client's side of a tunnel."""

upstream_request = sa.Table(
    "upstream_request",
    metadata,
    sa.Column("key", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("plan", sa.LargeBinary, nullable=False),
)
"""The body that the provider got, where it was not the client's: of which parts it consists."""

upstream_reply = sa.Table(
    "upstream_reply",
    metadata,
    sa.Column("key", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("frames", sa.LargeBinary),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
"""What the provider answered, where the client got a translation of it."""

reply_name = sa.Table(
    "reply_name",
    metadata,
    sa.Column("key", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Index("reply_name_name", "name"),
)
"""Ids of replies that later requests can continue (`previous_response_id`)."""

pack = sa.Table(
    "pack",
    metadata,
    sa.Column("id", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""Segments that came together, compressed together."""

segment = sa.Table(
    "segment",
    metadata,
    sa.Column("id", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("pack", sa.BigInteger, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("length", sa.Integer, nullable=False),
    sa.Column("owner", sa.BigInteger),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Index("segment_hash", "hash", unique=True),
    sa.Index("segment_pack", "pack"),
)
"""Exact bytes, stored once. `owner` is the exchange under whose key its text is indexed; see `indexing`."""

node = sa.Table(
    "node",
    metadata,
    sa.Column("id", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("parent", sa.BigInteger, nullable=False),
    sa.Column("segment", sa.BigInteger, nullable=False),
    sa.Column("ended", sa.BigInteger),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Index("node_hash", "hash", unique=True),
    sa.Index("node_parent", "parent"),
    sa.Index("node_segment", "segment"),
)
"""A place in a chain: all that lies before it, and a segment. `ended` is the last exchange that ended here."""

search_source = sa.Table(
    "search_source",
    metadata,
    sa.Column("key", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("segments", sa.LargeBinary, nullable=False),
    sa.Column("extra", sa.LargeBinary),
)
"""What was indexed under an exchange's key, so that it can be taken out of the index again."""

rollup = sa.Table(
    "rollup",
    metadata,
    sa.Column("minute", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("error", sa.Integer, nullable=False),
    sa.Column("other", sa.Integer, nullable=False),
)
"""Finished exchanges by the minute in which they began."""

tombstone = sa.Table(
    "tombstone",
    metadata,
    sa.Column("seq", PrimaryKey, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False),
)
"""What is gone for good, for viewers that still show it."""

counter = sa.Table(
    "counter",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Running totals, `seq`, and where the sweep stands."""

position = sa.Table(
    "position",
    metadata,
    sa.Column("gateway", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

checkpoint = sa.Table(
    "checkpoint",
    metadata,
    sa.Column("exchange", sa.Text, primary_key=True),
    sa.Column("gateway", sa.Text, nullable=False),
    sa.Column("frames", sa.LargeBinary, nullable=False),
)

setting = sa.Table(
    "setting",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

provider = sa.Table(
    "provider",
    metadata,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
