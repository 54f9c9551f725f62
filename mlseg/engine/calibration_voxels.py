"""Voxels that a calibrator is fitted to: logits as inference hands them to it, drawn from each case within a limit."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mlseg.engine.device import Compute
from mlseg.engine.inference import Inference, forward
from mlseg.metrics.regions import find_boundary
from mlseg.types import CasePrediction, PreparedCase


@dataclass(frozen=True, kw_only=True)
class CaseVoxels:
    """Voxels of one case, on the CPU.

    Args:
        case_id, subject_id: whose.
        logits: (n,K) float32.
        target: (n,) uint8.
        seen: voxels that they were drawn from.
    """

    case_id: str
    subject_id: str
    logits: Tensor
    target: Tensor
    seen: int


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which voxels of a case are kept.

    Args:
        region: "image" takes all, "foreground" those with reference > 0, "boundary" those within `boundary_mm` of a
            border of the reference.
        limit: at most so many of each case, drawn evenly without replacement.
        seed: of the draw, together with the case's id.
        boundary_mm: half-width of the region "boundary".
    """

    region: str = "image"
    limit: int = 2**31
    seed: int = 0
    boundary_mm: float = 3.0

    def mark(self, case: PreparedCase) -> np.ndarray:
        """(D,h,w) float32 on the working grid: 1 + class where a voxel may be drawn, 0 elsewhere.

        The first voxel of each slice is left out. So a padded slice or volume, which repeats the lowest value there is,
        is marked 0 where it is padded.
        """
        target = np.asarray(case.target)
        marks = target.astype(np.float32) + 1
        if self.region == "foreground":
            marks[target == 0] = 0
        elif self.region == "boundary":
            near = find_boundary(
                torch.from_numpy(np.array(target)).long(), case.spacing_mm, boundary_mm=self.boundary_mm
            )
            marks[~near.numpy()] = 0
        marks[:, 0, 0] = 0
        return marks


def predict_and_draw(
    network: nn.Module, case: PreparedCase, *, inference: Inference, sampling: Sampling
) -> tuple[CasePrediction, CaseVoxels]:
    """Predict a case on its native grid, and keep voxels of the logits on the way to the softmax.

    The reference goes through the network's windows and frames as one more channel of the image, so that logits and
    reference meet wherever inference looks. Where windows overlap, a voxel may be drawn once for each.

    Args:
        network: in eval mode, on the device of `inference`.
        case: with its reference.
        inference: without a calibrator.
        sampling: which voxels.

    Raises:
        RunError: the network's output is not finite.
    """
    digest = hashlib.blake2b(f"{sampling.seed} {case.case_id}".encode(), digest_size=8).digest()
    drawer = _Drawer(limit=sampling.limit, seed=int.from_bytes(digest, "big"))
    marks = sampling.mark(case)[:, None]
    marked = dataclasses.replace(case, image=np.concatenate([np.asarray(case.image), marks], axis=1))
    recorder = _Recorder(network, inference.compute, drawer).eval()
    prediction = inference.predict(recorder, marked, grid="native")
    logits, target = drawer.collect()
    voxels = CaseVoxels(
        case_id=case.case_id, subject_id=case.subject_id, logits=logits, target=target, seen=drawer.seen
    )
    return prediction, voxels


def weigh_voxels(cases: Sequence[CaseVoxels]) -> tuple[Tensor, Tensor, Tensor]:
    """All voxels with their weights: each subject counts 1, shared by its cases, each shared by its voxels.

    So the weighted mean over voxels is what the tables report: the mean over subjects of the mean over their cases.
    Cases without a voxel are passed over.

    Returns:
        Logits (n,K) float32, target (n,) uint8 and weight (n,) float64.
    """
    filled = [case for case in cases if len(case.target)]
    owners = [case.subject_id for case in filled]
    weights = [
        torch.full((len(case.target),), 1 / owners.count(case.subject_id) / len(case.target), dtype=torch.float64)
        for case in filled
    ]
    logits, target = torch.cat([case.logits for case in filled]), torch.cat([case.target for case in filled])
    return logits, target, torch.cat(weights)


class _Recorder(nn.Module):
    """A network that takes the marks as last channel, keeps voxels of its logits, and returns them as they are."""

    # The network inside pads to its own stride, and its logits come back without the padding.
    stride = 1

    def __init__(self, network: nn.Module, compute: Compute, drawer: _Drawer) -> None:
        super().__init__()
        self.network, self.compute, self.drawer = network, compute, drawer

    def forward(self, image: Tensor) -> Tensor:
        logits = forward(self.network, image[:, :-1], self.compute)
        self.drawer.add(logits, image[:, -1])
        return logits


class _Drawer:
    """Draws evenly from a stream of unknown length: of all voxels those with the smallest random numbers are kept.

    The numbers follow from the seed and a voxel's place in the stream, so the batch size changes nothing.
    """

    def __init__(self, *, limit: int, seed: int) -> None:
        self.limit, self.seen = limit, 0
        self.random = np.random.default_rng(seed)
        self.kept: list[tuple[np.ndarray, np.ndarray, Tensor, Tensor]] = []
        self.count = 0
        self.highest = np.inf

    def add(self, logits: Tensor, marks: Tensor) -> None:
        """Offer voxels: logits (N,K,*S) and marks (N,*S), 0 for those that may not be drawn."""
        places = marks.reshape(-1).nonzero().squeeze(1)
        numbers = self.random.random(len(places))
        order = np.arange(self.seen, self.seen + len(places))
        self.seen += len(places)
        chosen = np.flatnonzero(numbers < self.highest)
        places = places[torch.from_numpy(chosen).to(places.device)]
        rows = logits.movedim(1, -1).reshape(-1, logits.shape[1])[places].float().cpu()
        target = (marks.reshape(-1)[places] - 1).to(torch.uint8).cpu()
        self.kept.append((numbers[chosen], order[chosen], rows, target))
        self.count += len(chosen)
        if self.count > 2 * self.limit:
            self._shrink()

    def collect(self) -> tuple[Tensor, Tensor]:
        """The kept voxels in the order of the stream: logits (n,K) and classes (n,)."""
        self._shrink()
        ((_, _, rows, target),) = self.kept
        return rows, target

    def _shrink(self) -> None:
        numbers, order = (np.concatenate([part[i] for part in self.kept]) for i in (0, 1))
        rows, target = (torch.cat([part[i] for part in self.kept]) for i in (2, 3))  # type: ignore[misc]
        if len(numbers) > self.limit:
            lowest = np.argpartition(numbers, self.limit)[: self.limit]
            chosen = lowest[np.argsort(order[lowest])]
            self.highest = float(numbers[chosen].max())
            numbers, order = numbers[chosen], order[chosen]
            rows, target = rows[torch.from_numpy(chosen)], target[torch.from_numpy(chosen)]
        self.kept, self.count = [(numbers, order, rows, target)], len(numbers)
