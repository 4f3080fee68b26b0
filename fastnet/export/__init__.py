"""Trained models and studies in forms that other programs read."""
