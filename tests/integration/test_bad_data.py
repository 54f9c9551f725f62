"""Damaged files are all named, with their paths, before anything is trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mlseg.data.nifti import read_volume, write_volume


@pytest.fixture
def damaged(phantom: Path, tmp_path: Path) -> dict[str, Path]:
    """A copy of the phantom with four bad files, one per patient: what is wrong -> the file."""
    root = Path(shutil.copytree(phantom, tmp_path / "damaged"))
    references = sorted(root.glob("training/*/*_gt.nii.gz"))
    first = {path.parent.name: path for path in reversed(references)}
    bad = {
        "truncated": first["patient001"],
        "shape": first["patient002"],
        "label": first["patient003"],
        "nan": Path(str(first["patient004"]).replace("_gt", "")),
    }
    bad["truncated"].write_bytes(bad["truncated"].read_bytes()[:-200])
    for name, path in bad.items():
        if name == "truncated":
            continue
        volume = read_volume(path)
        array = volume.array.copy()
        if name == "shape":
            array = array[:, :-2]
        elif name == "label":
            array[0, 0, 0] = 7
        else:
            array = array.astype(np.float32)
            array[0, 0, 0] = np.nan
        write_volume(path, array, affine=volume.affine)
    return {"root": root, **bad}


def test_all_damaged_files_are_in_one_report(
    damaged: dict[str, Path],
    place,
    mlseg_train: Callable[[Sequence[str]], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_dir = place.folder / "run"
    assert mlseg_train(place.words(f"data.root={damaged['root']}", f"run_dir={run_dir}")) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "4 problems" in lines[0]
    for name, word in {"truncated": "damaged", "shape": "shape", "label": "got 7", "nan": "NaN"}.items():
        (line,) = [line for line in lines if f"{damaged[name]}:" in line]
        assert word in line
    assert len(lines) == 5
    status = json.loads((run_dir / "status.json").read_text())
    assert status["state"] == "failed"
    assert not (run_dir / "last.pt").exists()
    # Repaired, the same command goes on.
    assert mlseg_train(place.words(f"run_dir={run_dir}")) == 0
