"""The engine without a model, which quotes."""
