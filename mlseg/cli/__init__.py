"""Command lines: the only place that knows Hydra."""
