"""The ground: records, embedding, vectors, keywords, store and search. Imports neither `ingest` nor `kb`.

What to read for what:

- records, errors: what passes between the packages, and how things fail.
- text (folding, pieces, term_ids, question_words): folding and terms, the one place for both.
- embedding, hash_embedding, bge (bge_*), model_files (model_*): the embedders, and where their models come from;
  llama_index_embedding, foreign_tokens: embeddings of LlamaIndex.
- vectors (coarse_vectors), keywords (keyword_segment, best_passages; keyword_writer, keyword_join), file_array: the two
  kinds of segment files.
- store, writer, snapshot: the knowledge base for its readers and its one writer.
  Below them: database, schema, states, heads, ledger, rows, listing, filters (SQLite); files, layout, manifest,
  versions, publishing, segments, rollback, admission, originals, lock (the commit protocol); reading, vouching
  (opening a version); verify (verify_*), findings, repair, maintenance (checks and care); transfer, backup, sealed
  (export and import).
- search: question, index_view, closeness, fusion, hits, copies, confidence_features; reranking, bge_reranker,
  reranker_directory.
"""
