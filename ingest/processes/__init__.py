"""The processes that documents are read in, and the thread that asks each of them."""
