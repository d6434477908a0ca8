"""Embedders, each turning texts into vectors: `hash` without a model, bge models, any LlamaIndex embedding."""
