"""A process that publishes version after version, keeping as little as told to, until it is killed."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from indexes.storage import writer as writer_module
from indexes.store import Store
from tests.indexes.storage_samples import EMBEDDING, SPLITTER, put, text_of


def publish_for_ever(path: Path, keep_versions: int, young_seconds: float) -> None:
    writer_module.YOUNG_SECONDS = young_seconds
    store = Store.open(path, embedding=EMBEDDING, splitter=SPLITTER, keep_versions=keep_versions)
    for number in itertools.count():
        with store.writer() as writer:
            with writer.batch():
                for name in range(4):
                    put(writer, str(name), text_of(str(name), str(number)))
            writer.publish()
        print(number, flush=True)


if __name__ == "__main__":
    publish_for_ever(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
