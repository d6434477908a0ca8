"""The ground: records, embedding, vectors, keywords, store and search. Imports neither `ingest` nor `kb`."""
