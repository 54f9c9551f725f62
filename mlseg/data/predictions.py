"""Reading one case that was predicted elsewhere, and bringing all its parts onto the grid of the reference."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mlseg.checks import DataError
from mlseg.data.grids import Steps, find_steps, measure_distance_mm
from mlseg.data.label_map import count_values, map_labels
from mlseg.data.matching import PROBS_ENDING
from mlseg.data.nifti import Volume, read_channels, read_volume
from mlseg.data.nnunet_output import StoredProbs, arrange, find_known_steps, list_arrangements, read_npz
from mlseg.data.saved_case import SavedCase, to_tensor
from mlseg.data.saved_files import SavedFiles
from mlseg.functional.calibration import SUM_TOLERANCE, check_probabilities
from mlseg.functional.counting import find_extremes, find_top_label
from mlseg.types import CasePrediction

# Sums over the classes that are off 1 by more than this are no rounding errors; smaller ones are divided out.
MAX_SUM_ERROR = 1e-2
MIN_AGREEMENT = 0.99
# What is left of a label map by removing small parts of it agrees better than a neighbour's or a mirror image.
PLAUSIBLE_AGREEMENT = 0.9


@dataclass(frozen=True, kw_only=True)
class SavedReader:
    """Reads and checks cases of one set.

    Args:
        labels: K class names, background first.
        label_map: stored value -> class name in label maps; None if each stored value is its class.
        min_agreement: least share of the foreground (voxels that are not background in the label map or in the top
            label of the probabilities) in which both must be the same.
    """

    labels: tuple[str, ...]
    label_map: Mapping[int, str] | None = None
    min_agreement: float = MIN_AGREEMENT

    def read(self, files: SavedFiles) -> SavedCase:
        """Read one case.

        Raises:
            DataError: one line for each file that is damaged, lies on another grid or holds what it must not.
        """
        problems: list[str] = []
        volumes: dict[Path, Volume] = {}
        for path in (files.reference, files.prediction):
            if path is not None:
                with _collected(problems):
                    volume = read_volume(path)
                    volumes[path] = replace(volume, array=self.read_classes(path, volume.array))
        if files.image is not None:
            with _collected(problems):
                channels = read_channels(files.image)
                volumes[files.image] = replace(channels, array=channels.array[0])
        stored, error = None, 0.0
        if files.probs is not None:
            with _collected(problems):
                stored, error = self._read_probs(files.probs, with_grid=files.prediction is None)
        if problems:
            raise DataError("\n".join(problems))
        return self._join_parts(files, volumes, stored, error)

    def read_classes(self, path: Path, array: np.ndarray) -> np.ndarray:
        """Class indices (uint8) of a label map. Raises DataError if it holds a value that stands for no class."""
        values, counts = count_values(array)
        allowed = list(range(len(self.labels))) if self.label_map is None else list(self.label_map)
        bad = ~np.isin(values, allowed)
        if bad.any():
            wrong = [f"{value:g} in {count} voxels" for value, count in zip(values[bad], counts[bad], strict=True)]
            more = f" and {len(wrong) - 3} values more" if len(wrong) > 3 else ""
            raise DataError(
                f"{path}: a label map must hold whole numbers from {', '.join(map(str, allowed))} "
                f"({', '.join(self.labels)}), got {', '.join(wrong[:3])}{more}. Correct the file or labels=..."
            )
        return array.astype(np.uint8) if self.label_map is None else map_labels(array, self.label_map, self.labels)

    def _read_probs(self, path: Path, *, with_grid: bool) -> tuple[StoredProbs, float]:
        """Probabilities as stored, checked; and by how much their sums were off 1 before that was divided out."""
        stored = read_probs(path, with_grid=with_grid)
        count = len(stored.array)
        if count != len(self.labels):
            raise DataError(
                f"{path}: probabilities must have one channel per label ({', '.join(self.labels)}), got {count}. "
                "Name every class with labels=... if that is wrong; nnU-Net's region-based outputs (one sigmoid per "
                "region) are no such probabilities: write probs=none."
            )
        wide = stored.array.dtype == np.float64
        array = np.require(stored.array, np.float64 if wide else np.float32, ["C", "W"])
        tensor = torch.from_numpy(array)
        _, _, least, most = find_extremes(tensor.reshape(count, -1)).tolist()
        error = max(1 - least, most - 1)
        if SUM_TOLERANCE < error <= MAX_SUM_ERROR:
            tensor /= tensor.sum(dim=0)
        elif error > MAX_SUM_ERROR and float(tensor.min()) >= 0 and float(tensor.max()) <= 1:
            raise DataError(
                f"{path}: probabilities must sum to 1 over the classes, got sums from {least:.4g} to {most:.4g}. "
                "Sigmoids, such as nnU-Net's region-based outputs, overlap and can't be judged so: save a softmax, or "
                "write probs=none."
            )
        check_probabilities(str(path), tensor)
        return replace(stored, array=array), error if error > SUM_TOLERANCE else 0.0

    def _join_parts(
        self, files: SavedFiles, volumes: Mapping[Path, Volume], stored: StoredProbs | None, error: float
    ) -> SavedCase:
        """Everything on the grid of the reference."""
        problems: list[str] = []
        reference = volumes[files.reference]
        moves: dict[Path, Steps] = {}
        for path, volume in volumes.items():
            with _collected(problems):
                moves[path] = _find_move(path, volume.array, volume.affine, onto=reference, owner=files.reference)
        probs, agreement, arrangement = None, None, ""
        base = files.prediction or files.reference
        if stored is not None and base in moves:
            with _collected(problems):
                arrangement, steps, agreement = self._arrange(stored, volumes[base], files)
                probs = to_tensor(arrange(stored.array, (*steps, moves[base])))
        if problems:
            raise DataError("\n".join(problems))
        placed = {path: moves[path].apply(volume.array) for path, volume in volumes.items()}
        return SavedCase(
            prediction=CasePrediction(
                case_id=files.case_id,
                subject_id=files.subject_id,
                probs=probs,
                target=to_tensor(placed[files.reference]),
                spacing_mm=reference.spacing_mm,
                segmentation=None if files.prediction is None else to_tensor(placed[files.prediction]),
            ),
            affine=reference.affine,
            image=None if files.image is None else np.nan_to_num(placed[files.image].astype(np.float32)),
            agreement=agreement,
            arrangement=arrangement,
            sum_error=error,
        )

    def _arrange(
        self, stored: StoredProbs, base: Volume, files: SavedFiles
    ) -> tuple[str, tuple[Steps, ...], float | None]:
        """How the axes of the probabilities run, by the label map or, where there is none, by their own header."""
        path, shape = stored.path, base.array.shape
        if path.name.endswith(PROBS_ENDING) and files.prediction is not None:
            found = list_arrangements(stored, base.affine, shape)
        else:
            assert stored.affine is not None
            owner = files.prediction or files.reference
            name = "as its .pkl says" if path.name.endswith(PROBS_ENDING) else "as its header says"
            found = {name: (_find_move(path, stored.array, stored.affine, onto=base, owner=owner),)}
        if not found:
            raise DataError(
                f"{path}: must hold probabilities of {shape} voxels (d,h,w) as {files.prediction} does, got "
                f"{stored.array.shape[1:]}. nnU-Net v1 saves a part of the image only, and a .pkl beside it that says "
                "which: copy that there too."
            )
        if files.prediction is None:
            name, steps = next(iter(found.items()))
            return name, steps, None
        return self._choose_arrangement(stored, found, base, files)

    def _choose_arrangement(
        self, stored: StoredProbs, found: Mapping[str, tuple[Steps, ...]], base: Volume, files: SavedFiles
    ) -> tuple[str, tuple[Steps, ...], float]:
        """The order of the axes in which the label map fits best; where several do, that of the .pkl."""
        path = stored.path
        top = find_top_label(torch.from_numpy(stored.array))[1].numpy()
        shares = {name: measure_agreement(arrange(top, steps), base.array) for name, steps in found.items()}
        name = max(shares, key=lambda one: shares[one])
        if shares[name] < self.min_agreement:
            remedy = "It is of another case, or stored in an unknown order of the axes."
            if shares[name] >= PLAUSIBLE_AGREEMENT:
                remedy = f"Write agreement={shares[name] - 0.005:.2f} if the label maps were processed further."
            raise DataError(
                f"{path}: the most probable class must be that of {files.prediction} in at least "
                f"{self.min_agreement:.4g} of the foreground, got {shares[name]:.4f} at best ({name}). {remedy}"
            )
        tied = [steps for one, steps in found.items() if not shares[one] < shares[name]]
        first = arrange(stored.array, tied[0])
        if all(np.array_equal(first, arrange(stored.array, steps)) for steps in tied[1:]):
            return name, found[name], shares[name]
        known = find_known_steps(stored, base.affine, base.array.shape)
        if known is None or measure_agreement(known.apply(top), base.array) < shares[name]:
            why = "the label map looks the same in several orders of the axes"
            raise DataError(
                f"{path}: the axes must be told by {files.prediction} or by a .pkl of the same grid, got "
                f"{'no foreground' if np.isnan(shares[name]) else why}. Copy nnU-Net's .pkl beside it, or write "
                "probs=none."
            )
        return "as its .pkl says", (known,), shares[name]


def read_probs(path: Path, *, with_grid: bool) -> StoredProbs:
    """Probabilities of a .npz or a NIfTI file, as stored. Raises DataError if they can't be read."""
    if path.name.endswith(PROBS_ENDING):
        return read_npz(path, with_grid=with_grid)
    volume = read_channels(path)
    return StoredProbs(path=path, array=volume.array, affine=volume.affine)


def measure_agreement(first: np.ndarray, second: np.ndarray) -> float:
    """The share of voxels with the same class among those that are not background in both; NaN if there are none.

    Example:
        >>> measure_agreement(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
        0.6666666666666666
    """
    foreground = (first > 0) | (second > 0)
    count = int(np.count_nonzero(foreground))
    return int(np.count_nonzero(foreground & (first == second))) / count if count else float("nan")


def _find_move(path: Path, array: np.ndarray, affine: np.ndarray, *, onto: Volume, owner: Path) -> Steps:
    """The steps onto another file's grid. Raises DataError if it is no such grid in another axis order."""
    shape, wanted = array.shape[-3:], onto.array.shape[-3:]
    steps = find_steps(affine, shape, to_affine=onto.affine, to_shape=wanted)
    if steps is not None:
        return steps
    if sorted(shape) != sorted(wanted):
        what = f"{shape} voxels (d,h,w) beside {wanted}"
    elif shape == wanted:
        what = f"an affine that puts a corner {measure_distance_mm(affine, onto.affine, shape):.3g} mm away"
    else:
        what = f"{shape} voxels (d,h,w) beside {wanted}, in no order of the axes at the same place"
    raise DataError(f"{path}: must lie on the grid of {owner}, got {what}. Resample it there, or correct its header.")


@contextlib.contextmanager
def _collected(problems: list[str]) -> Iterator[None]:
    """Take down a DataError instead of stopping at it."""
    try:
        yield
    except DataError as error:
        problems.append(str(error))
