"""A case that was missed: no foreground tells how the axes of its probabilities run, so the .pkl must."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.grids import Steps, find_ras_steps
from mlseg.data.nifti import write_volume
from mlseg.data.predictions import SavedReader
from mlseg.data.saved_files import SavedFiles

AFFINE = np.array([[-1.5, 0, 0, 20], [0, -1.25, 0, 30], [0, 0, 8, -5], [0, 0, 0, 1]], dtype=float)
SHAPE = (3, 6, 6)
READER = SavedReader(labels=("background", "RV", "LV"))


def write_npz(folder: Path, array: np.ndarray, name: str = "probabilities") -> Path:
    np.savez(folder / "a.npz", **{name: array})
    return folder / "a.npz"


def write_missed_case(folder: Path, background: float = 0.0) -> tuple[SavedFiles, np.ndarray]:
    """A case in which nothing is predicted, its .npz reoriented to RAS; and its probabilities on the reference."""
    foreground = (
        np.full((3, *SHAPE), background) if background else np.random.default_rng(1).uniform(0, 0.2, (3, *SHAPE))
    )
    foreground = foreground.astype(np.float32)
    foreground[0] = 0
    probs = foreground.copy()
    probs[0] = 1 - foreground.sum(0)
    write_volume(folder / "p.nii", np.zeros(SHAPE, dtype=np.uint8), affine=AFFINE)
    path = write_npz(folder, find_ras_steps(AFFINE).apply(probs))
    write_volume(folder / "r.nii", np.zeros(SHAPE, dtype=np.uint8), affine=AFFINE)
    files = SavedFiles(case_id="a", subject_id="s", reference=folder / "r.nii", prediction=folder / "p.nii", probs=path)
    return files, probs


@pytest.mark.parametrize("stuff", ["reoriented", "version 1"])
def test_the_pkl_tells_the_axes_of_a_case_in_which_nothing_was_predicted(tmp_path: Path, stuff: str) -> None:
    missed, probs = write_missed_case(tmp_path)
    properties: dict[str, object] = {
        "nibabel_stuff": {
            "original_affine": AFFINE,
            "reoriented_affine": find_ras_steps(AFFINE).move_affine(AFFINE, SHAPE),
        }
    }
    if stuff == "version 1":
        write_npz(tmp_path, probs, "softmax")
        origin, spacing = (-20.0, -30.0, -5.0), (1.5, 1.25, 8.0)
        properties = {"itk_origin": origin, "itk_spacing": spacing, "itk_direction": tuple(np.eye(3).ravel())}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(properties))
    case = READER.read(missed)
    np.testing.assert_array_equal(case.prediction.probs, probs)
    assert case.agreement is not None
    assert np.isnan(case.agreement)
    assert case.arrangement == "as its .pkl says"


@pytest.mark.parametrize("pickled", [None, {}, {"nibabel_stuff": {"original_affine": np.eye(4)}}])
def test_axes_that_nothing_tells_are_refused(tmp_path: Path, pickled: object) -> None:
    missed, _ = write_missed_case(tmp_path)
    if pickled is not None:
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(pickled))
    with pytest.raises(DataError, match=r"a\.npz: .*no foreground.*\.pkl.*probs=none") as caught:
        READER.read(missed)
    assert "\n" not in str(caught.value)


def test_axes_that_make_no_difference_need_no_pkl(tmp_path: Path) -> None:
    constant, probs = write_missed_case(tmp_path, background=0.2)
    np.testing.assert_array_equal(READER.read(constant).prediction.probs, probs)
    # Stored in RAS, with a shape that no transposition has, the axes of the file are the only ones.
    ras = np.diag([1.5, 1.25, 8.0, 1.0])
    missed, _ = write_missed_case(tmp_path)
    for path in (missed.reference, missed.prediction):
        assert path is not None
        write_volume(path, np.zeros(SHAPE, dtype=np.uint8), affine=ras)
    stored = np.load(tmp_path / "a.npz")["probabilities"]
    np.testing.assert_array_equal(READER.read(missed).prediction.probs, stored)


def test_a_label_map_that_looks_the_same_mirrored_tells_no_axes(tmp_path: Path) -> None:
    missed, probs = write_missed_case(tmp_path)
    probs[:, :1, 1:5, 1:5] = np.array([0.0, 1.0, 0.0]).reshape(3, 1, 1, 1)
    write_volume(tmp_path / "p.nii", probs.argmax(0).astype(np.uint8), affine=AFFINE)
    write_npz(tmp_path, find_ras_steps(AFFINE).apply(probs))
    with pytest.raises(DataError, match=r"a\.npz: .*looks the same in several orders of the axes.*\.pkl"):
        READER.read(missed)
    affine = find_ras_steps(AFFINE).move_affine(AFFINE, SHAPE)
    # A .pkl that belies the label map is of something else.
    upside_down = Steps((0, 1, 2), (False, False, True)).move_affine(affine, SHAPE)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"nibabel_stuff": {"reoriented_affine": upside_down}}))
    with pytest.raises(DataError, match="looks the same in several orders"):
        READER.read(missed)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"nibabel_stuff": {"reoriented_affine": affine}}))
    case = READER.read(missed)
    np.testing.assert_array_equal(case.prediction.probs, probs)
    assert case.agreement == 1
