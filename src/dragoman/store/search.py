"""Full-text search over what is new in each exchange.

What is indexed under an exchange's key is the text of the segments that it brought first, and of its reply; a
segment that comes again is not indexed again. So a hit names the exchange that first carried the text.
SQLite: an FTS5 table without content (the text lies in segments already), whose rowid is the exchange's key.
Words are split as Unicode says, case and accents do not matter. Chinese, Japanese and Korean signs are indexed
one by one and searched as a row of neighbours, so that any part of a word is found.

The index can only forget a text that it is given again, so `text_of` and `fold` must stay as they are; changing
them takes a migration that builds the index anew. PostgreSQL will have a `tsvector` column in this place.
"""

import json
import re
from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

MAX_TEXT = 2_000_000
"""Characters indexed of one segment or reply."""

INSERT = "INSERT INTO search (rowid, text) VALUES (?, ?)"
DELETE = "INSERT INTO search (search, rowid, text) VALUES ('delete', ?, ?)"

_MERGE = "INSERT INTO search (search, rank) VALUES ('merge', ?)"
MERGE_PAGES = 500
"""Work of one step of merging: about 20 ms."""

_CREATE = (
    "CREATE VIRTUAL TABLE search USING fts5(text, content='', columnsize=0, tokenize=\"unicode61 remove_diacritics 2\")"
)

_LITERAL = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"([ \t\r\n]*:)?', re.DOTALL)
_SILENT_KEYS = frozenset({b"role", b"type", b"media_type", b"mime_type", b"object"})
_ID = re.compile(rb"[a-z]{2,9}_[A-Za-z0-9_-]{12,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/=_-]{200}")
_DATA_URL = re.compile(rb"data:[^,]{0,100};base64,")
_NO_SPACES = re.compile("[\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")


def create(connection: sa.Connection) -> None:
    connection.exec_driver_sql(_CREATE)


def merge(connection: sa.Connection, *, is_first: bool) -> bool:
    """Merge a piece of the index, so that it lets go of what was deleted; False when there is no more to do."""
    before = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
    connection.exec_driver_sql(_MERGE, (-MERGE_PAGES if is_first else MERGE_PAGES,))
    # SQLite's manual: fewer than two changes mean that nothing was left to merge.
    return connection.exec_driver_sql("SELECT total_changes()").scalar_one() - before >= 2


def text_of(segment: bytes) -> str:
    """Return the strings in a piece of JSON, one a line; keys, ids, roles and base64 left out."""
    plain: list[bytes] = []
    key = b""
    for found in _LITERAL.finditer(segment):
        value, colon = found.groups()
        if colon:
            key = value
        elif value and key not in _SILENT_KEYS and not _is_opaque(value):
            plain.append(_unescaped(value) if b"\\" in value else value)
    return fold(b"\n".join(plain).decode("utf-8", "replace"))


def _is_opaque(value: bytes) -> bool:
    if len(value) < 14:
        return False
    return (_BASE64.match(value) or _DATA_URL.match(value) or _ID.fullmatch(value)) is not None


def _unescaped(value: bytes) -> bytes:
    try:
        return msgspec.json.decode(b'"' + value + b'"', type=str).encode()
    except msgspec.DecodeError:
        pass
    try:  # lone surrogates, control signs
        return json.loads(b'"' + value + b'"', strict=False).encode("utf-8", "replace")
    except ValueError:
        return value


def fold(text: str) -> str:
    """Set signs of scripts without spaces apart; drop what a database cannot take."""
    if text.isascii():
        return text[:MAX_TEXT]
    clean = text[:MAX_TEXT].encode("utf-8", "replace").decode()
    return _NO_SPACES.sub(r" \g<0> ", clean)


def document(texts: Iterable[str]) -> str:
    """Put the texts of one exchange together."""
    return "\n".join(text for text in texts if text)


def match_expression(texts: Iterable[str]) -> str:
    """Write the index's query: all of `texts`, each as a phrase; a `*` at its end stands for any continuation."""
    return " AND ".join(_phrase(text) for text in texts)


def _phrase(text: str) -> str:
    is_prefix = text.endswith("*")
    quoted = fold(text.rstrip("*")).replace('"', '""').replace("\x00", " ")
    return f'"{quoted}"' + (" *" if is_prefix else "")
