"""SQLite, segments and versions: what is written, published and read, whole or not at all."""
