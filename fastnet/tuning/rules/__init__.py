"""Pure functions of results: which trials go on, where to search next, which candidate wins."""
