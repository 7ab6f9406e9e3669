"""The writer's own figures: the last `seq` and ids given out, running totals, where the sweep stands.

They are rows of `counter`, read once at the start and written with each transaction that changed them. A
transaction works on a draft; only when it is committed does the draft become the book.
"""

import sqlalchemy as sa

from dragoman.store import schema
from dragoman.store.statements import SET_COUNTER, many

SEGMENT_ROW_BYTES = 40
NODE_ROW_BYTES = 36
"""What a row of `segment` and of `node` holds, hash included; the engine's overhead is not in it."""


class Book:
    """Figures by name; one that was never set is 0."""

    def __init__(self, values: dict[str, int]) -> None:
        self._saved = values
        self._draft: dict[str, int] = {}

    @classmethod
    def read(cls, connection: sa.Connection) -> "Book":
        found = connection.execute(sa.select(schema.counter.c.name, schema.counter.c.value)).all()
        return cls({row.name: row.value for row in found})

    def __getitem__(self, name: str) -> int:
        return self._draft.get(name, self._saved.get(name, 0))

    def __setitem__(self, name: str, value: int) -> None:
        self._draft[name] = value

    def add(self, name: str, amount: int = 1) -> int:
        """Count on, and return the new value."""
        value = self[name] + amount
        self._draft[name] = value
        return value

    def write(self, connection: sa.Connection) -> None:
        many(connection, SET_COUNTER, list(self._draft.items()))

    def keep(self) -> None:
        """The transaction was committed."""
        self._saved.update(self._draft)
        self._draft.clear()

    def drop(self) -> None:
        """The transaction was rolled back."""
        self._draft.clear()
