"""Calibrated confidence: how probably what was found holds an answer."""
