"""Checking, repairing, backing up and moving a knowledge base."""
