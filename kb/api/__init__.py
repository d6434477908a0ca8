"""The HTTP service over the same `Answerer` and `Pipeline` as the command line."""
