"""What `kb.integrations.vector_store` is made of: `ledger` what is in the store, `changes` what is to be done,
`nodes` passages as nodes, `target` the store itself.
"""
