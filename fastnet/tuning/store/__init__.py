"""The file of a study: one process writes it, any number read it."""
