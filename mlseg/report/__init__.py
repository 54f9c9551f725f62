"""Summaries and figures from scores.csv, run.json and bins.npz; no torch, no hydra."""
