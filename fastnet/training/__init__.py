"""Training: one network, several with the same settings, and packs of many."""
