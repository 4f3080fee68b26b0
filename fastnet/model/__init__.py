"""Trained models: one network, an ensemble, and their file."""
