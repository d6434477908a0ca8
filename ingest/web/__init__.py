"""Pages of the web: fetched safely, followed politely."""
