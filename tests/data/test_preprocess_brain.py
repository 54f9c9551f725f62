"""Scans whose brain was cut out: normalised over what is left, and what a case remembers for patches and slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import ConfigError
from mlseg.data.case_folder import open_case, write_case
from mlseg.data.preprocess import LANDMARKS, Preprocessing, draw_landmarks, find_blank_slices, normalise
from mlseg.types import Case, CaseFiles


def make_case() -> Case:
    draw = np.random.default_rng(0)
    image = np.zeros((2, 6, 20, 20), dtype=np.float32)
    image[:, 1:5, 4:16, 4:16] = draw.normal(100, 20, (2, 4, 12, 12))
    # Dark in one channel and bright in the other: still brain.
    image[0, 2, 8, 8] = 0
    target = np.zeros((6, 20, 20), dtype=np.uint8)
    target[2:4, 6:10, 6:10], target[3, 7, 7] = 1, 3
    return Case(case_id="b1", subject_id="b", image=image, target=target, spacing_mm=(1.0, 1.0, 1.0), affine=np.eye(4))


def test_the_brain_alone_is_normalised_and_the_rest_is_dark() -> None:
    case = make_case()
    prepared = Preprocessing(normalise_over="nonzero", clip_percentiles=(0, 100)).prepare(case)
    brain = (case.image != 0).any(axis=0)
    for channel in range(2):
        values = prepared.image[:, channel]
        assert values[brain].mean() == pytest.approx(0, abs=1e-5)
        assert values[brain].std() == pytest.approx(1, abs=1e-5)
        assert (values[~brain] == values.min()).all()
        own = case.image[channel][brain].astype(np.float64)
        np.testing.assert_allclose(values[brain], (own - own.mean()) / own.std(), rtol=1e-5, atol=1e-5)


def test_percentiles_are_those_of_the_brain() -> None:
    volume = np.zeros((1, 10, 101))
    volume[0, 0] = np.arange(100, 201)
    inside = volume > 0
    scaled = normalise(volume, (10, 90), inside)
    assert len(np.unique(scaled[inside])) == 81  # 110 to 190
    assert scaled[0, 0, 0] == scaled[0, 0, 10] == scaled[0, 5, 0] == scaled.min()
    whole = normalise(volume, (10, 90), None)
    assert not np.allclose(whole, scaled)


def test_an_empty_mask_takes_the_volume() -> None:
    volume = np.random.default_rng(0).normal(size=(2, 5, 5))
    np.testing.assert_array_equal(
        normalise(volume, (0, 100), np.zeros(volume.shape, dtype=bool)), normalise(volume, (0, 100))
    )


def test_blank_slices_are_constant_in_every_channel() -> None:
    for over in ("volume", "nonzero"):
        assert Preprocessing(normalise_over=over).prepare(make_case()).blank_slices == (0, 5)
    image = np.zeros((3, 2, 4, 4), dtype=np.float32)
    image[1, 1, 2, 2] = 1
    assert find_blank_slices(image) == (0, 2)


def test_landmarks_are_voxels_of_their_class() -> None:
    target = make_case().target
    landmarks = draw_landmarks(target)
    assert {tuple(row) for row in landmarks[landmarks[:, 0] == 1][:, 1:].tolist()} == set(
        zip(*(axis.tolist() for axis in np.nonzero(target == 1)), strict=True)
    )
    assert landmarks[landmarks[:, 0] == 3].tolist() == [[3, 3, 7, 7]]
    assert draw_landmarks(np.zeros_like(target)).shape == (0, 4)


def test_landmarks_of_a_large_class_are_a_spread_sample() -> None:
    target = np.ones((4, 60, 60), dtype=np.uint8)
    landmarks = draw_landmarks(target)
    assert len(landmarks) == len(np.unique(landmarks, axis=0)) == LANDMARKS
    np.testing.assert_array_equal(landmarks, draw_landmarks(target))
    np.testing.assert_allclose(landmarks[:, 1:].mean(axis=0), [1.5, 29.5, 29.5], atol=1.0)


def test_they_come_back_from_disk(tmp_path: Path) -> None:
    prepared = Preprocessing(normalise_over="nonzero").prepare(make_case())
    write_case(tmp_path / "b1", prepared)
    read = open_case(tmp_path / "b1", CaseFiles(case_id="b1", subject_id="b", images=(), target=None))
    assert read.blank_slices == (0, 5)
    np.testing.assert_array_equal(read.landmarks, prepared.landmarks)


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="normalise_over must be one of volume, nonzero, got 'brain'"):
        Preprocessing(normalise_over="brain")
