"""What `cluster.py` is made of: the process that leads a search, the simulation of many workers, the page."""
