"""What `peers.py` compares this project with: a module for each library, and the processes that they run in."""
