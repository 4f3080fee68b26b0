"""What is shown of a search or a training while it runs: the words of all displays, and those of notebooks."""
