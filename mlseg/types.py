"""What crosses the borders between layers: cases, batches, predictions and the protocols of the parts.

Axes: N batch, C channels, K classes (background included), D H W depth, height, width; *S any spatial axes.
Lengths are millimetres where a name ends in `_mm`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class CaseFiles:
    """One scan on disk before it is read.

    Args:
        case_id: unique in the data set, e.g. "patient001_frame01".
        subject_id: the person; splits are made by subject.
        images: one file per channel, in the order of the source's channels, or one file that holds them all.
        target: the reference segmentation, or None where there is none.
        group: a stratum such as a diagnosis; "" if unknown.
        frame: a time point such as "ED"; "" if the data set has none.
    """

    case_id: str
    subject_id: str
    images: tuple[Path, ...]
    target: Path | None
    group: str = ""
    frame: str = ""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One scan in memory, on the grid it was stored on.

    Args:
        image: (C,D,H,W) float32.
        target: (D,H,W) uint8 class indices.
        spacing_mm: voxel size along (d,h,w).
        affine: (4,4) voxel (i,j,k) to world mm of the array as stored in the file.
    """

    case_id: str
    subject_id: str
    image: np.ndarray
    target: np.ndarray
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray
    group: str = ""
    frame: str = ""


class CaseSource(Protocol):
    """A data set in its official layout."""

    name: str
    labels: tuple[str, ...]
    channels: tuple[str, ...]

    def list_cases(self) -> list[CaseFiles]:
        """Every case on disk, sorted by case_id; reads no image. Raises DataError if the layout is not found."""

    def read_case(self, files: CaseFiles) -> Case:
        """Read and check one case. Raises DataError naming the path of the offending file."""


@dataclass(frozen=True, kw_only=True)
class PreparedCase:
    """One case as training and evaluation see it: preprocessed, and beside it what leads back to the native grid.

    Args:
        image: (D,C,h,w) float32, normalised, on the working grid, slice-major; usually memory-mapped.
        target: (D,h,w) uint8 on the working grid.
        spacing_mm: voxel size (d,h,w) of the working grid.
        native_target: (D,H,W) uint8 on the native grid (the same array as `target` if nothing was resampled).
        native_spacing_mm: voxel size (d,h,w) of the native grid.
        affine: (4,4) of the stored file.
        blank_slices: indices of slices whose image is constant in every channel.
        landmarks: (n,4) int32 class and place (d,h,w) on the working grid of up to 4096 voxels of each foreground
            class, drawn evenly: where patches of the foreground are taken.
    """

    case_id: str
    subject_id: str
    image: np.ndarray
    target: np.ndarray
    spacing_mm: tuple[float, float, float]
    native_target: np.ndarray
    native_spacing_mm: tuple[float, float, float]
    affine: np.ndarray
    blank_slices: tuple[int, ...] = ()
    landmarks: np.ndarray | None = None
    group: str = ""
    frame: str = ""


class SegBatch(TypedDict):
    """What a loader hands to the trainer: image (N,C,*S) float32, target (N,*S) int64.

    `weight` is given where several processes share a batch: by it the gradients of uneven shares average to that of the
    whole; 0 if this process has nothing of it, and works on a sample of another's for company.
    """

    image: Tensor
    target: Tensor
    case_id: list[str]
    slice_index: list[int]
    weight: NotRequired[float]


@dataclass(frozen=True, kw_only=True)
class CasePrediction:
    """What inference hands to the metrics.

    Args:
        probs: (K,D,H,W) float32 probabilities that sum to 1 over K; None if only a label map is known.
        target: (D,H,W) integer class indices, on the same grid.
        spacing_mm: voxel size (d,h,w) of that grid.
        segmentation: (D,H,W) integer label map that overlap and surfaces are judged by; None takes the top label of
            `probs`. Given for predictions from elsewhere, whose label map may have been processed further.
    """

    case_id: str
    subject_id: str
    probs: Tensor | None
    target: Tensor
    spacing_mm: tuple[float, float, float]
    segmentation: Tensor | None = None
    group: str = ""
    frame: str = ""


class SegLoss(Protocol):
    """A loss: (logits (N,K,*S), target (N,*S)) -> scalar.

    A loss may also have `terms() -> dict[str, Tensor]`, the weighted, detached terms of its last call, which add up to
    its value; and `margin: float`, the largest logit distance that it leaves alone: the share beyond it is logged.
    """

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """The scalar loss."""


class BatchLoader(Protocol):
    """Batches of one epoch; the order follows from (seed, epoch) alone."""

    def __len__(self) -> int:
        """Batches per epoch."""

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[SegBatch]:
        """The batches of epoch number `epoch` (from 0) from batch number `start` on, on the device they live on."""


class CaseSet(Protocol):
    """Prepared cases of one part of a split, opened one at a time."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> PreparedCase: ...

    def __iter__(self) -> Iterator[PreparedCase]: ...


@dataclass(frozen=True, kw_only=True)
class CaseScores:
    """What one evaluation protocol says of one case: rows for scores.csv, histograms for bins.npz.

    Args:
        rows: `mlseg.records.Score` each.
        bins: (region, label) -> `mlseg.functional.bins.BinCounts`; label "all" for those of all classes.
    """

    rows: Sequence[Any]
    bins: Mapping[tuple[str, str], Any] = field(default_factory=dict)


class EvaluationProtocol(Protocol):
    """A set of definitions by which a prediction is judged.

    `name` is what stands in the `evaluation` column. `grid` says what it wants to see: "native" (the whole image on the
    grid of the file) or "crop" (the training crop on the working grid).
    """

    name: str
    grid: str

    def score_case(self, prediction: CasePrediction) -> CaseScores:
        """Judge one case. Raises DataError if the probabilities are not probabilities."""
