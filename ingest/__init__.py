"""Documents on their way in: sources, loaders, splitter, pipeline and jobs. Imports `indexes` only."""
