"""Data sets, splits, the cache and loaders."""
