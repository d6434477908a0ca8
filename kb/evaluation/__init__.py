"""Question sets, the figures that come of them, and reports."""
