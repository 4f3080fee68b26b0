"""The run of a search: which trials, on what, and what is done with them."""
