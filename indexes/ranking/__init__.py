"""From candidates to hits: closeness, fusion, copies, and the features of confidence."""
