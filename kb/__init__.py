"""Asking: settings, engines, answering, HTTP service and command line. Imports `ingest` and `indexes`."""

__version__ = "0.1.0"
