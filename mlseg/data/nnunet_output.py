"""Probabilities that nnU-Net saved beside its label maps: `<case>.npz`, with what it takes to put them on a grid.

Version 2 (`nnUNetv2_predict --save_probabilities`) stores `probabilities` (K,z,y,x) of the whole image, in the axes of
its reader: those of the file, or RAS where the reader reorients. Version 1 (`nnUNet_predict --save_npz`) stores
`softmax` (K,z,y,x), float16, in the axes of the file, but only of the box that holds the image's voxels above zero;
where that box lies stands in `<case>.pkl`. Either may have transposed axes where another program took part. So an
array comes here with all arrangements that it could have; which one is right is for the label map to tell, or for the
.pkl where the label map can't.

Source: Isensee et al., Nature Methods 18, 2021; the exports of nnunet 1.7 and nnunetv2 2.x.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.checks import DataError
from mlseg.data.grids import Steps, find_ras_steps, find_steps
from mlseg.data.plain_pickle import read_plain_pickle

KEY_V2, KEY_V1 = "probabilities", "softmax"
_TRANSPOSED = Steps((2, 1, 0))
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class StoredProbs:
    """Probabilities as they were stored.

    Args:
        path: the .npz.
        array: (K,a,b,c) floating point, of the whole image.
        affine: (4,4) of the array's own grid, if the .pkl beside it was read and says it.
    """

    path: Path
    array: np.ndarray
    affine: np.ndarray | None = None


def read_npz(path: Path, *, with_grid: bool) -> StoredProbs:
    """Read nnU-Net's probabilities and put them back into the whole image; outside the box background has p = 1.

    Args:
        with_grid: True needs the grid from the .pkl, because no label map will tell the axes.

    Raises:
        DataError: no such array; a damaged file; a .pkl that is needed and missing, or does not fit.
    """
    array, version = _load_array(path)
    pickled, affine = path.with_suffix(".pkl"), None
    if with_grid or (version == 1 and pickled.is_file()):
        properties = _read_properties(pickled)
        affine = _read_affine(properties)
        if with_grid and affine is None:
            raise DataError(
                f"{pickled}: must say on which grid the probabilities lie, got no such entry. "
                "Give prediction= too, whose label maps show it."
            )
        array = _undo_crop(path, array, properties) if version == 1 else array
    return StoredProbs(path=path, array=array, affine=affine)


def list_arrangements(stored: StoredProbs, affine: np.ndarray, shape: Sequence[int]) -> dict[str, tuple[Steps, ...]]:
    """Name -> steps that put an array on a grid, those of them that fit its shape; the likeliest first.

    Args:
        affine: (4,4) of the grid.
        shape: (D,H,W) of the grid.
    """
    found: dict[str, tuple[Steps, ...]] = {}
    if stored.affine is not None:
        known = find_steps(stored.affine, stored.array.shape[1:], to_affine=affine, to_shape=shape)
        found = {} if known is None else {"as its .pkl says": (known,)}
    reoriented = find_ras_steps(affine).invert()
    found |= {
        "in the axes of the file": (Steps(),),
        "reoriented to RAS": (reoriented,),
        "in the axes of the file, transposed": (_TRANSPOSED,),
        "reoriented to RAS, transposed": (_TRANSPOSED, reoriented),
    }
    return {name: steps for name, steps in found.items() if arrange(stored.array, steps).shape[1:] == tuple(shape)}


def find_known_steps(stored: StoredProbs, affine: np.ndarray, shape: Sequence[int]) -> Steps | None:
    """The steps onto a grid by the .pkl beside the .npz; None if there is none, or it does not say.

    Args:
        affine: (4,4) of the grid.
        shape: (D,H,W) of the grid.

    Raises:
        DataError: the .pkl can't be read.
    """
    own, pickled = stored.affine, stored.path.with_suffix(".pkl")
    if own is None and pickled.is_file():
        own = _read_affine(_read_properties(pickled))
    return None if own is None else find_steps(own, stored.array.shape[1:], to_affine=affine, to_shape=shape)


def arrange(array: np.ndarray, steps: Sequence[Steps]) -> np.ndarray:
    """A view of the array after all steps."""
    for one in steps:
        array = one.apply(array)
    return array


def _load_array(path: Path) -> tuple[np.ndarray, int]:
    """The array and the version of nnU-Net that names it so."""
    try:
        # np.load leaves a file open that it can't read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = list(arrays.files)
            key = next((key for key in (KEY_V2, KEY_V1) if key in names), None)
            array = None if key is None else arrays[key]
    except OSError as error:
        raise DataError(f"{path}: must be readable, got {error.strerror or error}. Copy it again.") from error
    except (ValueError, TypeError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: must be a whole .npz file, got a damaged one ({error}). Copy it again.") from error
    if array is None:
        raise DataError(
            f"{path}: must hold {KEY_V2} (nnU-Net v2) or {KEY_V1} (v1), got {', '.join(names) or 'nothing'}. "
            "Save the probabilities under one of these names."
        )
    if array.ndim != 4 or array.dtype.kind != "f" or not array.size:
        raise DataError(
            f"{path}: probabilities must be floating-point (K,D,H,W), got {array.dtype} {array.shape}. Save them again."
        )
    return array, 2 if key == KEY_V2 else 1


def _read_properties(path: Path) -> Mapping[str, Any]:
    """What nnU-Net noted of the case; of an ensemble it is a list of the members', which are of one image."""
    if not path.is_file():
        raise DataError(
            f"{path}: must lie beside the .npz, whose axes it tells, got no such file. Copy it there too, or give "
            "prediction= with the label maps."
        )
    record = read_plain_pickle(path)
    record = record[0] if isinstance(record, list) and record else record
    if not isinstance(record, dict):
        raise DataError(
            f"{path}: must hold nnU-Net's properties of the case, got {type(record).__name__}. Copy it again."
        )
    if record.get("regions_class_order") is not None:
        raise DataError(
            f"{path}: the probabilities must be a softmax over classes, got nnU-Net's region-based sigmoids, which "
            "overlap and do not sum to 1. Write probs=none to judge the label maps alone."
        )
    return record


def _undo_crop(path: Path, array: np.ndarray, properties: Mapping[str, Any]) -> np.ndarray:
    box, size = properties.get("crop_bbox"), properties.get("original_size_of_raw_data")
    if box is None or size is None:
        return array
    try:
        starts = [int(low) for low, _ in box]
        whole = [int(length) for length in size]
    except (TypeError, ValueError):
        starts, whole = [], []
    ends = [start + length for start, length in zip(starts, array.shape[1:], strict=False)]
    if len(ends) != 3 or len(whole) != 3 or min(starts) < 0 or any(map(int.__gt__, ends, whole)):
        raise DataError(
            f"{path}: must fit into the image by its .pkl, got {array.shape[1:]} voxels in the box {box} of {size}. "
            "Copy both from where they were written."
        )
    full = np.zeros((len(array), *whole), dtype=array.dtype)
    full[0] = 1
    full[(slice(None), *map(slice, starts, ends))] = array
    return full


def _read_affine(properties: Mapping[str, Any]) -> np.ndarray | None:
    """The affine (i,j,k) to RAS mm of the array's grid, from what SimpleITK or nibabel noted."""
    for group in ("nibabel_stuff", "sitk_stuff"):
        notes = properties.get(group)
        if isinstance(notes, dict):
            affine = notes.get("reoriented_affine", notes.get("original_affine"))
            return _check_affine(affine) if group == "nibabel_stuff" else _join_affine(notes, "")
    return _join_affine(properties, "itk_")


def _join_affine(notes: Mapping[str, Any], prefix: str) -> np.ndarray | None:
    """SimpleITK's spacing, origin and direction, which count to the left and back, as an affine."""
    parts = [notes.get(f"{prefix}{name}") for name in ("direction", "spacing", "origin")]
    try:
        direction, spacing, origin = (np.asarray(part, dtype=np.float64) for part in parts)
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = direction.reshape(3, 3) * spacing, origin
    except (TypeError, ValueError):
        return None
    return _check_affine(_TO_RAS @ affine)


def _check_affine(affine: Any) -> np.ndarray | None:
    known = isinstance(affine, np.ndarray) and affine.shape == (4, 4) and bool(np.isfinite(affine).all())
    return np.asarray(affine, dtype=np.float64) if known else None
