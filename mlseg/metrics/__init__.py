"""Scores of one case, under named protocols."""
