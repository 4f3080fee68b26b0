"""What `accuracy.py` compares: the tables, the contestants, and what is made of their errors."""
