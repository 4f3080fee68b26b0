"""Pure functions of results: which trials continue, where to search next, which candidate wins."""
