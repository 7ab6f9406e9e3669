"""A keeper's ingest as a process of its own, to be killed: `python ingest_process.py DATA_DIR`.

Writes a line for each batch that the store has taken.
"""

import sys
import threading
from pathlib import Path

from dragoman.clock import SystemClock
from dragoman.events.bus import Bus
from dragoman.keeper.ingest import Ingest
from dragoman.records.exchange import Row
from dragoman.store import Batch, Store


class TellingStore(Store):
    def commit(self, batch: Batch) -> list[Row]:
        rows = super().commit(batch)
        print(len(batch.finished), flush=True)
        return rows


def main() -> None:
    data_dir = Path(sys.argv[1])
    store = TellingStore(f"sqlite:///{data_dir}/dragoman.db")
    store.open()
    Ingest(data_dir / "journal", store, Bus("e"), SystemClock()).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
