"""A small phantom that tests read, and copies of it that they may damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlseg.data.nifti import read_volume, write_volume
from mlseg.data.phantom import write_phantom_acdc


@pytest.fixture(scope="session")
def acdc_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five patients, ten frames, about 40 x 40 pixels; read only."""
    return write_phantom_acdc(tmp_path_factory.mktemp("phantom") / "acdc", subjects=5, shape=(4, 44, 40))


@pytest.fixture
def acdc_copy(acdc_root: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copytree(acdc_root, tmp_path / "copy"))


@pytest.fixture
def change_volume() -> Callable[..., None]:
    """Rewrite a NIfTI file with its array, or its affine, changed by a function."""

    def change(
        path: Path,
        array: Callable[[np.ndarray], np.ndarray] = lambda array: array,
        *,
        affine: Callable[[np.ndarray], np.ndarray] = lambda affine: affine,
    ) -> None:
        volume = read_volume(path)
        write_volume(path, array(volume.array.copy()), affine=affine(volume.affine.copy()))

    return change
