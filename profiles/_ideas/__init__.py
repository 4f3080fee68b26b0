"""Networks in PyTorch with one part more than ours, for `profiles/ideas.py`."""
