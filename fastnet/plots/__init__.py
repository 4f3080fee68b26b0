"""Figures of Plotly for notebooks, made of plain values; the report draws the same values in the browser.

Nothing here imports Plotly before the first figure.
"""
