"""Where the files of models are, and how they are fetched."""
