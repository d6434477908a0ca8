"""A knowledge base inside other frameworks. Each module imports its framework when it is imported.

`opening` opens a knowledge base for a program; `llama_index` and `langchain` are its retrievers, of which `metadata`
says what they tell of a passage; `vector_store` keeps a vector store of LlamaIndex in step with it (`mirror`), and
`embedding` is its embedder for LlamaIndex.
"""
