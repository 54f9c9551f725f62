"""What is written of a prediction: label map, probabilities, confidence and entropy, on the grid of the scan."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlseg.data.matching import strip_ending
from mlseg.data.nifti_like import write_like
from mlseg.data.nnunet_output import KEY_V2
from mlseg.data.stored_values import to_values
from mlseg.functional.counting import find_top_label
from mlseg.records import replacing

LABELS, PROBS_NIFTI, PROBS_NPZ, CONFIDENCE, ENTROPY = "labels", "probs_nifti", "probs_npz", "confidence", "entropy"
# Word -> the folder below the output, or the end of the name beside a file, that it goes to.
PLACES: Mapping[str, str] = {
    LABELS: "",
    PROBS_NIFTI: "probs",
    PROBS_NPZ: "",
    CONFIDENCE: "confidence",
    ENTROPY: "entropy",
}
WORDS = tuple(PLACES)
GRID_ENDING = ".pkl"


@dataclass(frozen=True, kw_only=True)
class PredictionWriter:
    """Writes cases.

    Args:
        values: the stored value of each class.
        largest: classes of which only the largest connected part is kept in the label map; () keeps all.
    """

    values: tuple[int, ...]
    largest: tuple[int, ...] = ()

    def write(
        self, probs: np.ndarray, *, places: Mapping[str, Path], reference: Path, affine: np.ndarray
    ) -> np.ndarray:
        """Write one case, each file whole or not at all.

        Args:
            probs: (K,D,H,W) float32 in the axes of the scan.
            places: word -> file, as `place_files` gives them; only these are written.
            reference: a file of the scan, whose grid and header the NIfTI files take.
            affine: (4,4) of that file.

        Returns:
            The label map, (D,H,W) uint8 class indices.

        Raises:
            RunError: a file cannot be written.
        """
        tensor = torch.from_numpy(np.ascontiguousarray(probs))
        confidence, label = find_top_label(tensor)
        classes = keep_largest(label.numpy(), self.largest)
        arrays: dict[str, Callable[[], np.ndarray]] = {
            LABELS: lambda: to_values(classes, self.values),
            PROBS_NIFTI: lambda: probs,
            CONFIDENCE: lambda: confidence.numpy(),
            ENTROPY: lambda: compute_entropy(tensor).numpy(),
        }
        for word, path in places.items():
            if word == PROBS_NPZ:
                write_npz(path, probs, affine=affine)
            else:
                write_like(path, arrays[word](), reference=reference)
        return classes


def place_files(output: Path, case_id: str, words: Sequence[str], *, ending: str = "") -> dict[str, Path]:
    """Where the files of a case go.

    In a folder the label maps lie on top with nnU-Net's .npz beside them, and other maps in folders of their own, under
    the same names. Beside a single file they end in what they are.

    Args:
        output: the folder, or with `ending` the label map itself.
        words: some of WORDS.
        ending: of `output` if that is a file, ".nii.gz" or ".nii".

    Example:
        >>> {word: str(path) for word, path in place_files(Path("out"), "p1", ["labels", "probs_nifti"]).items()}
        {'labels': 'out/p1.nii.gz', 'probs_nifti': 'out/probs/p1.nii.gz'}
        >>> str(place_files(Path("a/p1.nii"), "x", ["entropy"], ending=".nii")["entropy"])
        'a/p1_entropy.nii'
    """
    places = {}
    for word in WORDS:
        end = ".npz" if word == PROBS_NPZ else ending or ".nii.gz"
        if word in words and ending:
            places[word] = output.with_name(
                f"{strip_ending(output.name)}{'_' if PLACES[word] else ''}{PLACES[word]}{end}"
            )
        elif word in words:
            places[word] = output / PLACES[word] / f"{case_id}{end}"
    return places


def list_written(places: Mapping[str, Path]) -> list[Path]:
    """All files that writing leaves: those of the words, and what tells the grid of a .npz."""
    grids = [path.with_suffix(GRID_ENDING) for word, path in places.items() if word == PROBS_NPZ]
    return [*places.values(), *grids]


def write_npz(path: Path, probs: np.ndarray, *, affine: np.ndarray) -> None:
    """Probabilities as nnU-Net v2 stores them, float16 (K,D,H,W) in the axes of the file; a .pkl tells their grid."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        arrays: dict[str, Any] = {KEY_V2: to_half(probs)}
        np.savez_compressed(file, **arrays)
    with replacing(path.with_suffix(GRID_ENDING)) as temporary:
        temporary.write_bytes(pickle.dumps({"nibabel_stuff": {"original_affine": np.array(affine)}}))


def to_half(probs: np.ndarray) -> np.ndarray:
    """Probabilities (K,*S) in float16 with the same most probable class: ties that rounding makes are broken.

    Example:
        >>> to_half(np.array([[0.49999], [0.50001]], dtype=np.float32))
        array([[0.5   ],
               [0.5005]], dtype=float16)
    """
    half = probs.astype(np.float16)
    top = probs.argmax(axis=0)
    tied = np.nonzero(half.argmax(axis=0) != top)
    # Rounding keeps the order, so the class that was on top is at most equalled: one step puts it back.
    place = (top[tied], *tied)
    half[place] = np.nextafter(half[place], np.float16(2))
    return half


def compute_entropy(probs: torch.Tensor) -> torch.Tensor:
    """Entropy -sum_k p_k log p_k of probs (K,*S) in nats, from 0 to log K; 0 log 0 is 0.

    Example:
        >>> compute_entropy(torch.tensor([[0.5, 1.0], [0.5, 0.0]]))
        tensor([0.6931, 0.0000])
    """
    return torch.special.entr(probs).sum(dim=0)


def keep_largest(classes: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """A label map (D,H,W) with only the largest part of some classes; what is taken away becomes background.

    Parts are connected through faces, edges and corners; of two equally large ones the first in memory stays.

    Example:
        >>> keep_largest(np.array([[[1, 0, 1, 1, 2]]]), [1])
        array([[[0, 0, 1, 1, 2]]])
    """
    from scipy import ndimage

    result = classes.copy()
    for index in chosen:
        parts, count = ndimage.label(classes == index, structure=np.ones((3, 3, 3)))
        if count > 1:
            sizes = np.bincount(parts.ravel())
            sizes[0] = 0
            result[(parts > 0) & (parts != sizes.argmax())] = 0
    return result
