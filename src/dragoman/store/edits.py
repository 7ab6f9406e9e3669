"""Replace what was understood of an exchange; what was recorded stays."""

import msgspec
import sqlalchemy as sa

from dragoman.errors import NotFound
from dragoman.records.exchange import Recording, Row
from dragoman.store import queries, search
from dragoman.store.commit import rollup_of
from dragoman.store.indexing import reindex
from dragoman.store.rows import facts_to_bytes, labels_of, to_values
from dragoman.store.schema import facts
from dragoman.store.statements import (
    ADD_ROLLUP,
    INSERT_LABEL,
    UPSERT_FACTS,
    UPSERT_REPLY_NAME,
    UPSERT_ROW,
    many,
    row_values,
)
from dragoman.store.writer import Hand


def replace_facts(hand: Hand, recording: Recording) -> Row:
    """Store another reading of a finished exchange under the same key; threading stays as it was found."""
    connection, new = hand.connection, recording.detail.row
    found = queries.row(connection, new.id)
    if found is None:
        raise NotFound(f"there is no exchange {new.id}", field="id")
    key, old = found
    row = msgspec.structs.replace(new, seq=hand.book.add("seq"), parent=old.parent, conversation=old.conversation)
    many(connection, UPSERT_ROW, [row_values(to_values(row, key, is_finished=True))])
    many(connection, "DELETE FROM label WHERE kind = ? AND value = ? AND key = ?", list(labels_of(old, key)))
    many(connection, INSERT_LABEL, list(labels_of(row, key)))
    many(connection, ADD_ROLLUP, [rollup_of(old, -1), rollup_of(row)])
    before = connection.execute(sa.select(sa.func.length(facts.c.data)).where(facts.c.key == key)).scalar() or 0
    packed = hand.packer.pack(facts_to_bytes(recording.detail))
    hand.book.add("facts_bytes", len(packed) - before)
    many(connection, UPSERT_FACTS, [(key, packed)])
    if recording.reply_id is not None:
        many(connection, UPSERT_REPLY_NAME, [(key, recording.reply_id)])
    reindex(hand, key, extra=search.document(search.fold(text) for text in recording.search_texts))
    return row
