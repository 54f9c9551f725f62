"""NIfTI files in and out; the only file that knows nibabel.

Arrays are (D,H,W) = the stored (k,j,i), spacing in the same order. The affine is always the one of the file: it maps
the stored voxel (i,j,k) to world mm (RAS). An array that was brought to another orientation finds its way back from
that affine and the axis codes alone, so nothing else has to be recorded.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.checks import ConfigError, DataError

NATIVE = "native"
_AXIS_OF_CODE = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
_POSITIVE_CODES = "RAS"
# A file begins with the size of its header, which tells its kind.
_KINDS = {348: "Nifti1", 540: "Nifti2"}
# The lowest three bits of xyzt_units; 0 says nothing, and is taken as mm like everywhere.
_UNKNOWN, _MM = 0, 2
_OTHER_UNITS = {1: "metre", 3: "micron"}
# By how much of pixdim the affine's columns may be longer or shorter.
_SPACING_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One image file in memory.

    Args:
        array: (D,H,W), from `read_channels` (C,D,H,W); the stored type, or float64 where the file has a scale factor.
        spacing_mm: voxel size along (d,h,w) of `array`, in the file's unit, taken as mm.
        affine: (4,4) stored voxel (i,j,k) to world mm.
        orientation: the axis codes that `array` was brought to, or "native".
    """

    array: np.ndarray
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray
    orientation: str = NATIVE


def check_orientation(orientation: str) -> None:
    """Raise ConfigError unless `orientation` is "native" or three axis codes such as "LPS"."""
    if orientation == NATIVE or sorted(_AXIS_OF_CODE.get(code, -1) for code in orientation) == [0, 1, 2]:
        return
    raise ConfigError(
        f"orientation: must be native or one letter each of R/L, A/P and S/I, got {orientation!r}. Write e.g. LPS."
    )


def read_volume(path: Path, *, orientation: str = NATIVE) -> Volume:
    """Read a .nii or .nii.gz file; the compressed stream's checksum is verified, a scale factor is applied.

    Args:
        orientation: axis codes of (i,j,k), e.g. "LPS", which the array is brought to by flips and a permutation.

    Raises:
        DataError: the file is missing, truncated or damaged, or is not a three-dimensional array of real numbers; its
            header is in another unit than mm, or has one spacing in pixdim and another in the affine.
    """
    volume = read_channels(path, orientation=orientation)
    if len(volume.array) != 1:
        raise DataError(
            f"{path}: must have three axes, got {len(volume.array)} volumes of shape {volume.array.shape[1:]} (d,h,w). "
            "Give one 3-D file per time point or channel."
        )
    return replace(volume, array=volume.array[0])


def read_channels(path: Path, *, orientation: str = NATIVE) -> Volume:
    """Read a file that may hold several channels, stored (i,j,k,c); `array` is (C,D,H,W), with one channel if 3-D.

    Axes of length 1 behind the first three are dropped, as in NIfTI's vectors, (i,j,k,1,c).

    Args and errors: as `read_volume`, but for the number of axes.
    """
    check_orientation(orientation)
    data = _read_bytes(path)
    stored, zooms, affine = _decode(path, data)
    behind = tuple(length for length in stored.shape[3:] if length != 1)
    if stored.ndim < 3 or len(behind) > 1:
        raise DataError(
            f"{path}: must have three axes, or four with the channels last, got shape {stored.shape}. Export it again."
        )
    array, zooms = stored.reshape((*stored.shape[:3], *(behind or (1,))), order="A"), zooms[:3]
    if array.size == 0 or array.dtype.kind not in "buif":
        raise DataError(f"{path}: must hold real numbers, got {array.dtype} of shape {array.shape}. Export it again.")
    if not np.isfinite(affine).all():
        raise DataError(f"{path}: the affine must be finite, got {affine[:3].tolist()}. Correct the header.")
    if not all(np.isfinite(zooms)) or min(zooms) <= 0:
        raise DataError(f"{path}: spacing must be above 0, got {zooms} mm. Correct the header's pixdim.")
    _check_spacing(path, zooms, affine)
    axes, flips = orientation_steps(affine, orientation)
    array = np.flip(array.transpose(*axes, 3), tuple(n for n, flip in enumerate(flips) if flip))
    i, j, k = (zooms[axis] for axis in axes)
    return Volume(array=array.transpose(3, 2, 1, 0), spacing_mm=(k, j, i), affine=affine, orientation=orientation)


def write_volume(
    path: Path,
    array: np.ndarray,
    *,
    affine: np.ndarray,
    orientation: str = NATIVE,
    scale: tuple[float, float] | None = None,
) -> None:
    """Write a (D,H,W) or (C,D,H,W) array as NIfTI, in one step: the file is there whole or not at all.

    Args:
        array: stored (i,j,k), or (i,j,k,c) where it has channels, a single one too.
        affine: (4,4) of the stored grid, as `read_volume` gave it.
        orientation: the axis codes that `array` is in; the steps that led there are undone before it is stored.
        scale: (slope, intercept) that a reader applies to what is stored; None stores the values themselves.
    """
    import nibabel

    channels = [to_stored(channel, affine, orientation) for channel in (array if array.ndim == 4 else array[None])]
    stored = np.stack(channels, axis=-1) if array.ndim == 4 else channels[0]
    image = nibabel.Nifti1Image(np.ascontiguousarray(stored), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    data = image.to_bytes()
    if scale is not None:
        # nibabel would choose a factor of its own: bytes 112 to 120 of the header are scl_slope and scl_inter.
        data = data[:112] + np.array(scale, dtype="<f4").tobytes() + data[120:]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(gzip.compress(data, 5, mtime=0) if path.name.endswith(".gz") else data)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise DataError(f"{path}: cannot be written, got {error}. Choose another place or free some space.") from error


def to_stored(array: np.ndarray, affine: np.ndarray, orientation: str = NATIVE) -> np.ndarray:
    """Bring a (D,H,W) array in `orientation` back to the (i,j,k) axes of the file with this affine."""
    axes, flips = orientation_steps(affine, orientation)
    array = np.flip(array.transpose(2, 1, 0), tuple(n for n, flip in enumerate(flips) if flip))
    return array.transpose(np.argsort(axes))


def orientation_steps(affine: np.ndarray, orientation: str) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """The permutation of the stored axes, then the flips, that bring a grid to the axis codes.

    Each stored axis counts as the world axis it runs along most; of several assignments the one with the largest sum of
    absolute cosines is taken, so that oblique grids are unambiguous.

    Example:
        >>> orientation_steps(np.diag([-1.0, 1.0, 1.0, 1.0]), "RAS")
        ((0, 1, 2), (True, False, False))
    """
    if orientation == NATIVE:
        return (0, 1, 2), (False, False, False)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    cosines = affine[:3, :3] / np.where(lengths > 0, lengths, 1)
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    stored_of_world = max(orders, key=lambda order: sum(abs(cosines[world, axis]) for world, axis in enumerate(order)))
    axes, flips = [], []
    for code in orientation:
        world = _AXIS_OF_CODE[code]
        axis = stored_of_world[world]
        axes.append(axis)
        flips.append(bool((cosines[world, axis] > 0) != (code in _POSITIVE_CODES)))
    return (axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2])


def _read_bytes(path: Path) -> bytes:
    """The uncompressed content; gzip's own length and checksum tell a cut or damaged file."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except FileNotFoundError as error:
        raise DataError(f"{path}: must exist, got no such file. Download it again or remove its case.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: must be a whole .nii.gz, got a damaged one ({error}). Download it again.") from error
    except OSError as error:
        raise DataError(f"{path}: must be readable, got {error.strerror}. Check its permissions.") from error


def _decode(path: Path, data: bytes) -> tuple[np.ndarray, tuple[float, ...], np.ndarray]:
    """Array (i,j,k), zooms and affine; the zooms as stored, because nibabel silently repairs a spacing of 0."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    broken = (ImageFileError, HeaderDataError, WrapStructError, ValueError, OverflowError, MemoryError, OSError)
    sizes = (int.from_bytes(data[:4], "little"), int.from_bytes(data[:4], "big"))
    size = next((size for size in sizes if size in _KINDS), 0)
    try:
        if not size:
            raise ImageFileError("no NIfTI header")
        header = getattr(nibabel, f"{_KINDS[size]}Header")(data[:size], check=False)
        _check_unit(path, int(header["xyzt_units"]) & 7)
        zooms = tuple(float(zoom) for zoom in header["pixdim"][1 : 1 + int(header["dim"][0])])
        with np.errstate(all="ignore"):  # what comes out as NaN or infinity is reported by the checks
            image: Any = getattr(nibabel, f"{_KINDS[size]}Image").from_bytes(data)
            return np.asanyarray(image.dataobj), zooms, np.asarray(image.affine, dtype=np.float64)
    except broken as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path}: must be a whole NIfTI file, got a damaged one ({reason}). Download it again."
        ) from error


def _check_unit(path: Path, code: int) -> None:
    """Raise DataError unless lengths are in mm, or in no unit that is named."""
    if code not in (_UNKNOWN, _MM):
        raise DataError(
            f"{path}: lengths must be in mm, got {_OTHER_UNITS.get(code, f'code {code}')} in the header's xyzt_units. "
            "Bring pixdim and the affine to mm and set the unit to mm (2)."
        )


def _check_spacing(path: Path, zooms: tuple[float, ...], affine: np.ndarray) -> None:
    """Raise DataError if pixdim and the lengths of the affine's columns are two spacings."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not all(abs(length - zoom) <= _SPACING_TOLERANCE * zoom for length, zoom in zip(lengths, zooms, strict=True)):
        one, two = (", ".join(f"{value:.4g}" for value in values) for values in (zooms, lengths))
        raise DataError(
            f"{path}: pixdim and the affine must give one spacing, got ({one}) mm and ({two}) mm along (i,j,k). "
            "Correct the header, whichever is wrong."
        )
