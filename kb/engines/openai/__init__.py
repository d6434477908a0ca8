"""The engine that asks OpenAI-compatible servers, and what it knows of each kind."""
