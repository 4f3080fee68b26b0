"""The file of a study: written by one process, read by any number."""
