"""Normalising, resampling without a shift, cropping, and the way back to the native grid."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from mlseg.checks import ConfigError
from mlseg.data.preprocess import (
    Preprocessing,
    find_blank_slices,
    linear_weights,
    nearest_indices,
    normalise,
    resample_probs,
)
from mlseg.types import Case


def make_case(image: np.ndarray, target: np.ndarray, spacing_mm: tuple[float, float, float] = (10.0, 1.5, 2.0)) -> Case:
    return Case(
        case_id="a_1",
        subject_id="a",
        image=image.astype(np.float32),
        target=target.astype(np.uint8),
        spacing_mm=spacing_mm,
        affine=np.eye(4),
        group="g",
        frame="ED",
    )


def random_case(shape: tuple[int, int, int, int] = (2, 3, 20, 14)) -> Case:
    rng = np.random.default_rng(0)
    return make_case(rng.normal(100, 20, shape), rng.integers(0, 4, shape[1:]))


def test_prepared_case_is_slice_major_and_normalised_per_channel() -> None:
    case = random_case()
    case.image[1] *= 7
    prepared = Preprocessing(clip_percentiles=(0, 100)).prepare(case)
    assert prepared.image.shape == (3, 2, 20, 14)
    assert prepared.image.dtype == np.float32
    np.testing.assert_allclose(prepared.image.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(prepared.image.std(axis=(0, 2, 3)), 1, rtol=1e-6)
    expected = (case.image[1] - case.image[1].mean()) / case.image[1].std()
    np.testing.assert_allclose(prepared.image[:, 1], expected, atol=1e-5)
    assert prepared.native_target is prepared.target
    assert prepared.native_spacing_mm == prepared.spacing_mm == (10.0, 1.5, 2.0)
    assert (prepared.case_id, prepared.subject_id, prepared.group, prepared.frame) == ("a_1", "a", "g", "ED")


def test_clipping_comes_before_the_z_score() -> None:
    volume = np.arange(101, dtype=np.float32)
    clipped = np.clip(volume, 10, 90)
    np.testing.assert_allclose(
        normalise(volume, (10, 90)), (clipped - clipped.mean()) / clipped.std(), rtol=1e-5, atol=1e-6
    )


def test_large_offsets_lose_no_contrast() -> None:
    volume = np.array([1e6, 1e6 + 1] * 5000, dtype=np.float32)
    np.testing.assert_allclose(np.unique(normalise(volume, (0, 100))), [-1, 1], atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e30])
def test_a_constant_volume_becomes_zero(value: float) -> None:
    volume = np.full((3, 50, 50), value, dtype=np.float32)
    np.testing.assert_array_equal(normalise(volume, (0.5, 99.5)), 0)
    volume[0, 0, 0] = 1e30  # beyond the upper percentile: still constant between them
    np.testing.assert_array_equal(normalise(volume, (0.5, 99.5)), 0)


@pytest.mark.parametrize(("old", "new"), [(10, 20), (10, 15), (20, 10), (40, 10), (30, 20), (7, 7), (5, 1), (1, 5)])
def test_a_ramp_stays_a_ramp_without_a_shift(old: int, new: int) -> None:
    weights = linear_weights(old, new)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    reach = max(old / new, 1)
    inner = (centres >= reach - 1) & (centres <= old - reach)
    tolerance = 1e-12 if new >= old or old % new == 0 else 0.06
    np.testing.assert_allclose((weights @ np.arange(old))[inner], centres[inner], atol=tolerance)
    # The whole image keeps its centre of mass: nothing moves to one side.
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=1e-12)


@pytest.mark.parametrize(("old", "new"), [(10, 20), (10, 13), (20, 10), (31, 20), (64, 9)])
def test_resampling_agrees_with_torch(old: int, new: int) -> None:
    line = np.random.default_rng(0).normal(size=old)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(line)[None, None, None], size=(1, new), mode="bilinear", align_corners=False, antialias=True
    )
    np.testing.assert_allclose(linear_weights(old, new) @ line, expected[0, 0, 0].numpy(), atol=1e-6)


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.tile([0.0, 1.0], 16)
    assert np.ptp((linear_weights(32, 8) @ stripes)[1:-1]) < 0.1


@pytest.mark.parametrize(("old", "new"), [(10, 20), (10, 13), (20, 10), (31, 20), (6, 6)])
def test_nearest_takes_the_pixel_that_the_centre_lies_in(old: int, new: int) -> None:
    centres = (np.arange(new) + 0.5) * old / new
    expected = np.floor(centres + 1e-9).astype(int)
    np.testing.assert_array_equal(nearest_indices(old, new), expected)


def test_resampled_case_keeps_its_field_of_view() -> None:
    case = random_case()
    prepared = Preprocessing(spacing_mm=(1.0, 1.0)).prepare(case)
    assert prepared.image.shape == (3, 2, 30, 28)
    assert prepared.target.shape == (3, 30, 28)
    assert prepared.spacing_mm == (10.0, 1.0, 1.0)
    assert prepared.native_target.shape == (3, 20, 14)
    np.testing.assert_array_equal(prepared.target[:, ::3, ::2], case.target[:, ::2])
    uneven = Preprocessing(spacing_mm=(1.4, 1.4)).prepare(case)
    assert uneven.image.shape[2:] == (21, 20)
    np.testing.assert_allclose(np.multiply(uneven.spacing_mm[1:], (21, 20)), (30, 28))


def test_image_and_target_are_resampled_to_the_same_place() -> None:
    target = np.zeros((1, 40, 40))
    target[:, 8:21, 17:33] = 1
    prepared = Preprocessing(clip_percentiles=(0, 100), spacing_mm=(1.1, 1.3)).prepare(
        make_case(target[None], target, (1.0, 2.0, 2.0))
    )
    image = prepared.image[0, 0]
    bright = image > (image.max() + image.min()) / 2
    np.testing.assert_array_equal(bright, prepared.target[0] == 1)


def test_probs_come_back_to_the_native_grid_without_a_shift() -> None:
    target = np.zeros((2, 37, 41))
    target[:, 10:24, 9:30] = 1
    target[:, 14:20, 14:22] = 2
    prepared = Preprocessing(spacing_mm=(0.7, 0.9)).prepare(make_case(target[None], target, (8.0, 1.0, 1.0)))
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(np.array(prepared.target)).long(), 3)
    probs = resample_probs(one_hot.permute(3, 0, 1, 2).float(), (37, 41))
    assert probs.shape == (3, 2, 37, 41)
    np.testing.assert_allclose(probs.sum(dim=0), 1, atol=1e-6)
    np.testing.assert_array_equal(probs.argmax(dim=0), prepared.native_target)


def test_a_ramp_of_probs_comes_back_exactly_and_sums_to_one() -> None:
    ramp = ((torch.arange(23) + 0.5) / 23).expand(1, 19, 23)
    probs = resample_probs(torch.stack([ramp, 1 - ramp]) * 0.999, (19, 41))
    expected = (torch.arange(41) + 0.5) / 41
    np.testing.assert_allclose(probs[0, 0, 5, 2:-2], expected[2:-2], atol=1e-6)
    np.testing.assert_allclose(probs.sum(dim=0), 1, atol=1e-6)


def test_probs_on_the_same_grid_are_left_alone() -> None:
    probs = torch.rand(3, 2, 5, 6)
    assert resample_probs(probs, (2, 5, 6)) is probs
    assert resample_probs(probs.half(), (5, 6)).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip_percentiles": (99, 1)}, "clip_percentiles must be two rising numbers"),
        ({"clip_percentiles": (-1, 99)}, "clip_percentiles must be two rising numbers"),
        ({"clip_percentiles": (5,)}, "clip_percentiles must be two rising numbers"),
        ({"spacing_mm": (1.0,)}, r"spacing_mm must be \(h,w\)"),
        ({"spacing_mm": (1.0, 0.0)}, "spacing_mm must be a number above 0"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Preprocessing(**arguments)  # type: ignore[arg-type]


def test_lists_from_a_configuration_become_tuples() -> None:
    assert Preprocessing(clip_percentiles=[1, 99], spacing_mm=[1.4, 1.4]) == Preprocessing(  # type: ignore[arg-type]
        clip_percentiles=(1, 99), spacing_mm=(1.4, 1.4)
    )


def test_what_workers_import_is_torch_free() -> None:
    code = "import sys, mlseg.data.cache, mlseg.data.acdc, mlseg.data.splits; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_slice_that_is_not_constant_anywhere_is_not_blank() -> None:
    image = np.zeros((4, 2, 6, 5), dtype=np.float32)
    image[1, 0, 0, 4] = 1  # not in the middle row
    image[2, 1, 3, 2] = 1  # in the second channel, in the middle row
    image[3] = 7
    assert find_blank_slices(image) == (0, 3)
