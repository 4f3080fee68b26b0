"""The space of a search: names, distributions and their text forms."""
