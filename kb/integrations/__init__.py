"""A knowledge base inside other frameworks: `llama_index`, `langchain`. Each imports its framework when imported.

`opening.open_retriever` gives what both wrap; `metadata` says what they tell of a passage.
"""
