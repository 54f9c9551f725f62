"""Synthetic twins of every data set, each in its official layout: for tests, the demo and a newcomer's first minute.

They are read through exactly the code that reads the real data sets. All are drawn by `phantom_anatomy`; the hearts of
ACDC, which beat, have an anatomy of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlseg.checks import OneOf, check_range
from mlseg.data.phantom_acdc import write_phantom_acdc
from mlseg.data.phantom_brats import write_phantom_brats
from mlseg.data.phantom_mrbrains18 import write_phantom_mrbrains18
from mlseg.data.phantom_msd import write_phantom_msd
from mlseg.data.phantom_nnunet import write_phantom_nnunet

__all__ = [
    "WRITERS",
    "find_shape",
    "write_phantom",
    "write_phantom_acdc",
    "write_phantom_brats",
    "write_phantom_mrbrains18",
    "write_phantom_msd",
    "write_phantom_nnunet",
]

WRITERS: dict[str, Callable[..., Path]] = {
    "acdc": write_phantom_acdc,
    "mrbrains18": write_phantom_mrbrains18,
    "brats": write_phantom_brats,
    "msd": write_phantom_msd,
    "nnunet": write_phantom_nnunet,
}


def write_phantom(data: str, root: Path, **options: Any) -> Path:
    """Write the phantom of a data set, named as in `data=`, and return `root`.

    The same arguments give the same arrays; a root that already holds them is left as it is, one that holds another
    phantom is written anew.

    Args:
        options: subjects, seed, shape (d,h,w), spacing_mm (d,h,w) and what the writer of this data set takes beside.

    Raises:
        ConfigError: no such data set, or an argument is out of range.
        DataError: `root` holds something else than a phantom, or can't be written.
    """
    check_range("write_phantom", "data", data, OneOf(tuple(WRITERS)))
    return WRITERS[data](root, **options)


def find_shape(data: str) -> tuple[int, int, int]:
    """The shape (d,h,w) that a phantom has unless another is asked for."""
    depth, height, width = inspect.signature(WRITERS[data]).parameters["shape"].default
    return depth, height, width
