"""What is written of a prediction, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlseg.cli.predict_preflight import SAVE
from mlseg.data.nifti import read_channels, read_volume, write_volume
from mlseg.data.nnunet_output import find_known_steps, read_npz
from mlseg.data.plain_pickle import read_plain_pickle
from mlseg.engine.prediction_writing import (
    WORDS,
    PredictionWriter,
    compute_entropy,
    keep_largest,
    list_written,
    place_files,
    to_half,
)

AFFINE = np.diag([-1.5, -1.5, 8.0, 1.0])


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    write_volume(tmp_path / "scan.nii.gz", np.zeros((2, 3, 4), dtype=np.int16), affine=AFFINE)
    return tmp_path / "scan.nii.gz"


def make_probs() -> np.ndarray:
    logits = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (3, 2, 3, 4)).astype(np.float32))
    return logits.softmax(dim=0).numpy()


def test_everything_lands_where_it_was_placed(scan, tmp_path):
    probs = make_probs()
    places = place_files(tmp_path / "out", "p1", WORDS)
    for path in list_written(places):
        path.parent.mkdir(parents=True, exist_ok=True)
    written = PredictionWriter(values=(0, 1, 4)).write(probs, places=places, reference=scan, affine=AFFINE)
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")} == {
        *("p1.nii.gz", "p1.npz", "p1.pkl", "probs/p1.nii.gz", "confidence/p1.nii.gz", "entropy/p1.nii.gz")
    }
    assert np.array_equal(written, probs.argmax(axis=0))
    label = read_volume(tmp_path / "out" / "p1.nii.gz")
    assert np.array_equal(label.array, np.array([0, 1, 4])[written])
    assert np.array_equal(label.affine, AFFINE)
    assert np.array_equal(read_channels(tmp_path / "out" / "probs" / "p1.nii.gz").array, probs)
    assert np.array_equal(read_volume(tmp_path / "out" / "confidence" / "p1.nii.gz").array, probs.max(axis=0))
    entropy = -(probs * np.log(probs)).sum(axis=0)
    np.testing.assert_allclose(read_volume(tmp_path / "out" / "entropy" / "p1.nii.gz").array, entropy, rtol=1e-5)


def test_the_npz_is_one_of_nnunet_and_says_its_grid(scan, tmp_path):
    probs = make_probs()
    places = place_files(tmp_path / "p1.nii.gz", "p1", ["probs_npz"], ending=".nii.gz")
    PredictionWriter(values=(0, 1, 2)).write(probs, places=places, reference=scan, affine=AFFINE)
    stored = read_npz(tmp_path / "p1.npz", with_grid=True)
    assert stored.array.dtype == np.float16
    np.testing.assert_allclose(stored.array, probs, atol=5e-4)
    assert np.array_equal(stored.affine, AFFINE)
    known = find_known_steps(stored, AFFINE, (2, 3, 4))
    assert known is not None
    assert np.array_equal(known.apply(stored.array), stored.array)
    assert set(read_plain_pickle(tmp_path / "p1.pkl")) == {"nibabel_stuff"}


def test_rounding_keeps_the_most_probable_class():
    close = np.linspace(0.49, 0.51, 2001, dtype=np.float32)
    probs = np.stack([close, 1 - close])
    assert (probs.astype(np.float16).argmax(axis=0) != probs.argmax(axis=0)).any()
    half = to_half(probs)
    assert np.array_equal(half.argmax(axis=0), probs.argmax(axis=0))
    assert np.abs(half - probs).max() <= 1e-3
    # A tie stays one: the lowest class wins in both.
    assert to_half(np.full((2, 1), 0.5, dtype=np.float32)).tolist() == [[0.5], [0.5]]


def test_entropy_of_certain_voxels_is_zero():
    found = compute_entropy(torch.tensor([[1.0, 0.25], [0.0, 0.25], [0.0, 0.5]]))
    torch.testing.assert_close(found, torch.tensor([0.0, 1.5 * float(np.log(2))]))


def test_the_largest_part_stays_and_only_in_the_label_map(scan, tmp_path):
    classes = np.zeros((2, 3, 4), dtype=np.uint8)
    classes[0, :2, 0] = 1
    classes[1, 2, 1] = 1  # touches the part above by a corner
    classes[0, 0, 3] = 1
    classes[1, 0, 3] = classes[0, 2, 3] = classes[1, 2, 3] = 2
    kept = keep_largest(classes, [1])
    assert np.count_nonzero(kept == 1) == 3
    assert kept[0, 0, 3] == 0
    assert np.array_equal(kept == 2, classes == 2)
    assert np.count_nonzero(keep_largest(classes, [1, 2]) == 2) == 2
    assert np.array_equal(keep_largest(classes, []), classes)
    probs = np.eye(3, dtype=np.float32)[classes].transpose(3, 0, 1, 2)
    places = place_files(tmp_path / "seg.nii", "p1", ["labels", "probs_nifti"], ending=".nii")
    PredictionWriter(values=(0, 1, 2), largest=(1,)).write(probs, places=places, reference=scan, affine=AFFINE)
    assert np.array_equal(read_volume(tmp_path / "seg.nii").array, kept)
    assert np.array_equal(read_channels(tmp_path / "seg_probs.nii").array, probs)


def test_the_words_are_those_of_the_command():
    assert WORDS == SAVE
