"""The ground: records, embedding, vectors, keywords, store and search. Imports neither `ingest` nor `kb`.

What to read for what, from the top down:

- store: a knowledge base on the disk, for its readers and its one writer. search: hits for a question.
- transfer: a knowledge base as one file, and back. upkeep/: verify, repair, backup.
- ranking/, rerankers/: from candidates to hits.
- storage/: SQLite (database, schema, states, heads, ledger, listing, filters), the commit protocol (writer, files,
  layout, manifest, versions, publishing, segments, rollback, admission, originals, lock, maintenance) and opening a
  version (reading, vouching, snapshot).
- keywords/, vectors/: the two kinds of segment files; file_array: reading them in parts.
- embedding: the protocol; embedders/: those there are; models/: where their files come from.
- text/: folding and terms, the one place for both.
- rows, records, errors: what passes between all of these, and how things fail.
"""
