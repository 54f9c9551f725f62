"""What files of real data sets are like at times, done to a phantom: some of it readers must take, some refuse."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlseg.checks import OneOf, check_range
from mlseg.data.nifti import read_channels, write_volume
from mlseg.types import CaseFiles


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One peculiarity of files.

    Args:
        change: puts it into the files of the first case (of the first two where it takes two).
        refusal: a part of what a reader must say to it; "" if a reader must take it.
    """

    change: Callable[[Sequence[CaseFiles]], None]
    refusal: str = ""


def vary(name: str, cases: Sequence[CaseFiles]) -> None:
    """Put one of VARIATIONS into the files of a phantom; list the cases again afterwards.

    Raises:
        ConfigError: no such variation.
    """
    check_range("vary", "name", name, OneOf(tuple(VARIATIONS)))
    VARIATIONS[name].change(cases)


def _paths(case: CaseFiles) -> list[Path]:
    return [*case.images, *([case.target] if case.target else [])]


def _target(cases: Sequence[CaseFiles]) -> Path:
    path = cases[0].target
    assert path is not None
    return path


def _keep(array: np.ndarray) -> np.ndarray:
    return array


def _rewrite(
    path: Path,
    change: Callable[[np.ndarray], np.ndarray] = _keep,
    *,
    affine: Callable[[np.ndarray], np.ndarray] = _keep,
    scale: tuple[float, float] | None = None,
) -> None:
    volume = read_channels(path)
    array = volume.array if len(volume.array) > 1 else volume.array[0]
    write_volume(path, change(array.copy()), affine=affine(volume.affine.copy()), scale=scale)


def _add_trailing_axis(cases: Sequence[CaseFiles]) -> None:
    for path in _paths(cases[0]):
        _rewrite(path, lambda array: array if array.ndim == 4 else array[np.newaxis])


def _unpack(cases: Sequence[CaseFiles]) -> None:
    for path in _paths(cases[0]):
        if path.name.endswith(".gz"):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()


def _scale(cases: Sequence[CaseFiles]) -> None:
    """The same intensities as int16 with a slope and an intercept."""
    slope, intercept = 0.25, -8.0
    for path in cases[0].images:
        _rewrite(path, lambda array: ((array - intercept) / slope).astype(np.int16), scale=(slope, intercept))


def _shear(cases: Sequence[CaseFiles]) -> None:
    shear = np.array([[1, 0.1, 0, 0], [0, 1, 0.05, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    for path in _paths(cases[0]):
        _rewrite(path, affine=lambda affine: affine @ shear)


def _shift(distance_mm: float) -> Callable[[Sequence[CaseFiles]], None]:
    def shift(cases: Sequence[CaseFiles]) -> None:
        offset = np.zeros((4, 4))
        offset[0, 3] = distance_mm
        _rewrite(_target(cases), affine=lambda affine: affine + offset)

    return shift


def _remove_image(cases: Sequence[CaseFiles]) -> None:
    cases[0].images[-1].unlink()


def _remove_label(cases: Sequence[CaseFiles]) -> None:
    """The highest label of the first case becomes background, so that others have a label that it lacks."""
    _rewrite(_target(cases), lambda array: np.where(array == array.max(), 0, array).astype(array.dtype))


def _store_floats(cases: Sequence[CaseFiles]) -> None:
    _rewrite(_target(cases), lambda array: array.astype(np.float32))


def _store_fraction(cases: Sequence[CaseFiles]) -> None:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(np.float32)
        array.flat[0] = 1.5
        return array

    _rewrite(_target(cases), change)


def _copy_case(cases: Sequence[CaseFiles]) -> None:
    for source, copy in zip(_paths(cases[0]), _paths(cases[1]), strict=True):
        shutil.copyfile(source, copy)


VARIATIONS: dict[str, Variation] = {
    "trailing_axis": Variation(change=_add_trailing_axis),
    "plain_nii": Variation(change=_unpack),
    "scaled": Variation(change=_scale),
    "sheared": Variation(change=_shear),
    "affine_close": Variation(change=_shift(1e-4)),
    "affine_apart": Variation(change=_shift(1.0), refusal="affine must be that of the image"),
    "missing_image": Variation(change=_remove_image, refusal="must exist"),
    "absent_label": Variation(change=_remove_label),
    "float_labels": Variation(change=_store_floats),
    "fractional_label": Variation(change=_store_fraction, refusal="got 1.5 in 1 voxels"),
    "same_image": Variation(change=_copy_case),
}
