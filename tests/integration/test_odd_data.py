"""Data that is allowed but seldom meant: the run comes to its end, and says so once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mlseg.data.nifti import read_volume, write_volume


def edit(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    volume = read_volume(path)
    write_volume(path, change(volume.array.copy()), affine=volume.affine)


@pytest.fixture
def odd(phantom: Path, tmp_path: Path) -> Path:
    """A patient of constant images, cases of background alone in training and test, and no LV in anyone."""
    root = Path(shutil.copytree(phantom, tmp_path / "odd"))
    for path in root.glob("training/*/*_gt.nii.gz"):
        edit(path, lambda labels: np.where(labels == 3, 2, labels).astype(labels.dtype))
    for path in root.glob("training/patient004/*_frame??.nii.gz"):
        edit(path, np.ones_like)
    for patient in ("patient001", "patient002"):  # of training and test
        edit(min(root.glob(f"training/{patient}/*_gt.nii.gz")), np.zeros_like)
    return root


def test_odd_data_is_warned_of_once_and_trained_on(
    odd: Path, place, mlseg_train: Callable[[Sequence[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    run = place.folder / "run"
    words = place.words(f"data.root={odd}", f"run_dir={run}")
    assert mlseg_train(words) == 0
    lines = capsys.readouterr().err.splitlines()
    starts = (
        "warning: data: the image is constant in 2 of 10 cases (patient004_frame01, patient004_frame",
        "warning: data: the reference holds nothing but background in 2 of 10 cases (patient001_frame01, patient002_",
        "warning: data: class LV is in none of the 6 training cases, so the network cannot learn it.",
    )
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)
        assert (run / "train.log").read_text().count(line.removeprefix("warning: ")) == 1
    assert (run / "figures" / "cases.png").is_file()
    # Done, it has nothing to say again.
    assert mlseg_train(words) == 0
    assert capsys.readouterr().err == ""
