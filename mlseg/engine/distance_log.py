"""How far logits lie apart over an epoch: the quantity that margin-based losses bound."""

from __future__ import annotations

from torch import Tensor

from mlseg.engine.tracking import Tracker
from mlseg.functional.margins import distance_histogram, share_beyond


class DistanceLog:
    """Histogram of logit distances and share of voxels beyond a margin, from some batches of an epoch.

    Args:
        margin: the logit distance that the loss leaves alone.
    """

    def __init__(self, margin: float) -> None:
        self.margin = margin
        self._counts: Tensor | None = None
        self._edges: Tensor | None = None
        self._beyond: list[tuple[float, int]] = []

    def add(self, logits: Tensor) -> None:
        """Count the logits (N,K,*S) of one batch."""
        counts, self._edges = distance_histogram(logits)
        self._counts = counts if self._counts is None else self._counts + counts
        self._beyond.append((float(share_beyond(logits, self.margin)), logits[:, 0].numel()))

    def share(self) -> float:
        """Share of the counted voxels with a distance beyond the margin."""
        voxels = sum(count for _, count in self._beyond)
        return sum(share * count for share, count in self._beyond) / voxels

    def track(self, tracker: Tracker, step: int) -> None:
        """Write the epoch's histogram and share, if anything was counted."""
        if self._counts is not None and self._edges is not None:
            tracker.log_histogram("logits/distance", self._counts, self._edges, step)
            tracker.log_scalars({f"logits/share_beyond_{self.margin:g}": self.share()}, step)
