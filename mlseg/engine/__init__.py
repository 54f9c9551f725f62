"""Training, inference and evaluation; knows only the protocols of `mlseg.types`."""
