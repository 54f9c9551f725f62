from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlseg.checks import ConfigError
from mlseg.data.augment import Augmentation, NoAugmentation, SampleKey, draw_samples

STRONG = {
    "rotation_deg": 40.0,
    "scale": 0.3,
    "shift": 0.1,
    "brightness": 0.3,
    "contrast": 0.3,
    "gamma": 0.3,
    "noise": 0.2,
}
SIZES = {2: (24, 20), 3: (5, 24, 20)}


def draw_batch(dims: int = 2, count: int = 6) -> tuple[Tensor, Tensor]:
    """Images whose first channel is the target itself, so that both can be compared after a move."""
    generator = torch.Generator().manual_seed(dims)
    target = torch.zeros(count, *SIZES[dims], dtype=torch.uint8)
    target[..., 6:14, 5:15] = 1
    target[..., 8:11, 7:12] = 2
    image = torch.stack([target.float(), torch.randn(target.shape, generator=generator)], dim=1)
    return image, target


def keys(count: int = 6, *, seed: int = 3, epoch: int = 5, first: int = 0) -> list[SampleKey]:
    return [SampleKey(seed, epoch, first + sample) for sample in range(count)]


def test_nothing_asked_for_is_nothing_done() -> None:
    image, target = draw_batch()
    for augment in (NoAugmentation(), Augmentation()):
        same, labels = augment(image, target, keys())
        assert torch.equal(same, image)
        assert torch.equal(labels, target)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", STRONG)
def test_each_change_alone(dims: int, name: str) -> None:
    image, target = draw_batch(dims)
    kept = image.clone()
    changed, labels = Augmentation(**{name: STRONG[name]})(image, target, keys())
    assert changed.shape == image.shape
    assert (labels.dtype, labels.shape) == (target.dtype, target.shape)
    assert torch.equal(image, kept)
    assert changed.isfinite().all()
    for sample in range(len(image)):
        assert not torch.equal(changed[sample], image[sample])
    geometric = name in ("rotation_deg", "scale", "shift")
    assert torch.equal(labels, target) is not geometric
    assert set(labels.unique().tolist()) <= {0, 1, 2}


@pytest.mark.parametrize("dims", [2, 3])
def test_image_and_target_move_alike(dims: int) -> None:
    image, target = draw_batch(dims)
    moved, labels = Augmentation(flip_axes=["h", "w"], rotation_deg=40, scale=0.3, shift=0.1)(image, target, keys())
    # Linear interpolation of the label map differs from the nearest voxel only along borders.
    agreement = (moved[:, 0].round() == labels).float().mean()
    assert agreement > 0.97
    assert (labels != target).float().mean() > 0.05


@pytest.mark.parametrize("axis", ["d", "h", "w"])
def test_flips_are_exact_and_only_along_the_axes_that_are_allowed(axis: str) -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 3, (40, *SIZES[3]), generator=generator, dtype=torch.uint8)
    image = target[:, None].float()
    changed, labels = Augmentation(flip_axes=[axis])(image, target, keys(40))
    place = "dhw".index(axis) + 1
    flipped = [bool(torch.equal(labels[n], target[n].flip(place - 1))) for n in range(40)]
    untouched = [bool(torch.equal(labels[n], target[n])) for n in range(40)]
    assert all(one != other for one, other in zip(flipped, untouched, strict=True))
    assert 8 < sum(flipped) < 32
    torch.testing.assert_close(changed[:, 0], labels.float(), atol=1e-4, rtol=0)


def test_a_rotation_keeps_lengths_on_images_that_are_not_square() -> None:
    target = torch.zeros(1, 60, 30, dtype=torch.uint8)
    target[0, 25:35, 10:20] = 1
    sizes = []
    for sample in range(20):
        _, labels = Augmentation(rotation_deg=90)(target[:, None].float(), target, [SampleKey(0, 0, sample)])
        sizes.append(int(labels.sum()))
    assert all(abs(size - 100) <= 8 for size in sizes)


def test_scale_and_shift_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    target = torch.zeros(1, 40, 40, dtype=torch.uint8)
    target[0, 16:24, 16:24] = 1
    half_up = np.full((1, 11), 0.75)  # halfway to the largest value
    monkeypatch.setattr("mlseg.data.augment.draw_samples", lambda keys: ([0], half_up))
    _, larger = Augmentation(scale=1 - 1e-9)(target[:, None].float(), target, keys(1))
    assert int(larger.sum()) == 144  # 8 pixels times 1.5
    _, shifted = Augmentation(shift=0.1)(target[:, None].float(), target, keys(1))
    assert torch.equal(shifted[0], target[0].roll((-2, -2), (0, 1)))


def test_a_sample_does_not_depend_on_its_batch() -> None:
    image, target = draw_batch()
    augment = Augmentation(flip_axes=["w"], **STRONG)
    whole = augment(image, target, keys())
    for sample in range(len(image)):
        part = slice(sample, sample + 1)
        alone = augment(image[part], target[part], keys(1, first=sample))
        torch.testing.assert_close(alone[0][0], whole[0][sample], atol=1e-6, rtol=1e-6)
        assert torch.equal(alone[1][0], whole[1][sample])


@pytest.mark.parametrize("changes", [{"seed": 4}, {"epoch": 6}, {"first": 1}])
def test_seed_epoch_and_sample_decide(changes: dict[str, int]) -> None:
    image, target = draw_batch()
    augment = Augmentation(**STRONG)
    first, again, other = (augment(image, target, keys(**given))[0] for given in ({}, {}, changes))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_draws_are_even_and_independent() -> None:
    _, uniform = draw_samples(keys(4000))
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert np.abs(uniform.mean(axis=0) - 0.5).max() < 0.02
    correlation = np.corrcoef(uniform.T) - np.eye(uniform.shape[1])
    assert np.abs(correlation).max() < 0.06


def test_what_comes_in_from_outside_repeats_the_border_in_image_and_target() -> None:
    target = torch.zeros(4, 20, 20, dtype=torch.uint8)
    target[:, :, 10:] = 1
    image = target[:, None].float()
    moved, labels = Augmentation(shift=0.3, scale=0.3)(image, target, keys(4))
    assert (moved[:, 0].round() == labels).float().mean() > 0.98
    constant, ones = Augmentation(shift=0.3)(torch.full_like(image, 7.0), torch.ones_like(target), keys(4))
    torch.testing.assert_close(constant, torch.full_like(image, 7.0))
    assert (ones == 1).all()


def test_an_unflipped_sample_is_the_same_beside_a_flipped_one() -> None:
    image, target = draw_batch()
    augment = Augmentation(flip_axes=["w"])
    whole = augment(image, target, keys())[0]
    alone = torch.cat([augment(image[n : n + 1], target[n : n + 1], keys(1, first=n))[0] for n in range(len(image))])
    assert torch.equal(whole, alone)
    assert any(torch.equal(whole[n], image[n]) for n in range(len(image)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotation_deg": 181},
        {"scale": 1.0},
        {"shift": -0.1},
        {"gamma": float("nan")},
        {"flip_axes": "w"},
        {"flip_axes": ["x"]},
    ],
)
def test_what_cannot_be_used_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Augmentation(**wrong)
