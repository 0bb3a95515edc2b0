"""Races and cancellations: histories that are checked, and calls that are cancelled at every await."""
