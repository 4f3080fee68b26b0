"""What a long-lived process does over and over, for `profiles/repeats.py`."""
