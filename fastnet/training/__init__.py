"""Training: one network, several of the same settings, and packs of many."""
