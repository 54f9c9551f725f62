"""A NIfTI file on the grid of another one, whose header stays as it is but for what describes the values.

The header is not built anew but copied, byte by byte: qform and sform with their codes, units, spacing, description and
all else that a scanner or a converter left there. Fields that speak of the other file's values are set: type, scale,
display range, intent. Extensions, which may name the patient, are left out. Offsets are those of nifti1.h and nifti2.h.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.checks import DataError
from mlseg.records import replacing

# Type of the values -> its code in the header.
DATATYPES: Mapping[str, int] = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "float64": 64, "uint16": 512}
# Size of the header -> field -> (offset, type).
_FIELDS: Mapping[int, Mapping[str, tuple[int, str]]] = {
    348: {
        "dim": (40, "8i2"),
        "intent_p": (56, "3f4"),
        "intent_code": (68, "i2"),
        "datatype": (70, "i2"),
        "bitpix": (72, "i2"),
        "pixdim": (76, "8f4"),
        "vox_offset": (108, "f4"),
        "scale": (112, "2f4"),
        "display": (124, "2f4"),
        "extremes": (140, "2i4"),
        "intent_name": (328, "S16"),
        "magic": (344, "S4"),
    },
    540: {
        "magic": (4, "S8"),
        "datatype": (12, "i2"),
        "bitpix": (14, "i2"),
        "dim": (16, "8i8"),
        "intent_p": (80, "3f8"),
        "pixdim": (104, "8f8"),
        "vox_offset": (168, "i8"),
        "scale": (176, "2f8"),
        "display": (192, "2f8"),
        "intent_code": (504, "i4"),
        "intent_name": (508, "S16"),
    },
}
_MAGIC = {348: b"n+1", 540: b"n+2\0\r\n\x1a\n"}
# Bytes between header and values that say that no extension follows.
_NO_EXTENSION = bytes(4)


def write_like(path: Path, array: np.ndarray, *, reference: Path) -> None:
    """Write an array with the header of another file, whole or not at all.

    Args:
        path: ends in .nii.gz, which is compressed, or in .nii.
        array: (D,H,W) or (C,D,H,W) in the axes of the reference, of one of DATATYPES; stored (i,j,k), or (i,j,k,c).
        reference: the file whose grid and header it takes.

    Raises:
        DataError: the reference cannot be read.
        RunError: the file cannot be written.
    """
    stored = array.transpose(2, 1, 0) if array.ndim == 3 else array.transpose(3, 2, 1, 0)
    header, order = _patch_header(_read_header(reference), stored)
    values = np.asarray(stored, dtype=stored.dtype.newbyteorder(order))  # type: ignore[arg-type]
    data = header + _NO_EXTENSION + values.tobytes(order="F")
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(data, 5, mtime=0) if path.name.endswith(".gz") else data)


def _read_header(path: Path) -> bytes:
    """The first bytes of a file, uncompressed: of NIfTI-1 or NIfTI-2."""
    try:
        with open(path, "rb") as file:
            is_compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            data = gzip.GzipFile(fileobj=file).read(max(_FIELDS)) if is_compressed else file.read(max(_FIELDS))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: must be readable, got {error}. Copy it there again.") from error
    size = next((size for size in _FIELDS if data[:4] in (size.to_bytes(4, "little"), size.to_bytes(4, "big"))), 0)
    if not size or len(data) < size:
        raise DataError(f"{path}: must be a NIfTI file, got no header of one. Copy it there again.")
    return data[:size]


def _patch_header(data: bytes, stored: np.ndarray) -> tuple[bytes, str]:
    """The header for an array (i,j,k[,c]), and the byte order that both have."""
    size = len(data)
    order = "<" if data[:4] == size.to_bytes(4, "little") else ">"
    fields = _FIELDS[size]
    layout = {
        "names": list(fields),
        "formats": [_with_order(kind, order) for _, kind in fields.values()],
        "offsets": [offset for offset, _ in fields.values()],
        "itemsize": size,
    }
    header: Any = np.frombuffer(bytearray(data), dtype=np.dtype(layout))  # type: ignore[call-overload]
    header["dim"][0] = [stored.ndim, *stored.shape, *[1] * (7 - stored.ndim)]
    if stored.ndim > 3:
        header["pixdim"][0, 4] = 1
    header["datatype"], header["bitpix"] = DATATYPES[stored.dtype.name], stored.dtype.itemsize * 8
    header["vox_offset"], header["scale"] = size + len(_NO_EXTENSION), (1, 0)
    for name in ("display", "intent_p", "intent_code", *(["extremes"] if "extremes" in fields else [])):
        header[name] = 0
    header["intent_name"], header["magic"] = b"", _MAGIC[size]
    return header.tobytes(), order


def _with_order(kind: str, order: str) -> str:
    """A type with a byte order, which stands between the count and the letter."""
    return kind if kind.startswith("S") else f"{kind[:-2]}{order}{kind[-2:]}"
