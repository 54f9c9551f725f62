"""Windows: the centred crop without jitter, all places near it with it, never further out of the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlseg.data.augment import SampleKey, draw_samples
from mlseg.data.framing import crop_or_pad
from mlseg.data.windows import Windows

CROP = (6, 5)


def frame_of(shape: tuple[int, int], windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
    image = np.arange(1, 1 + shape[0] * shape[1], dtype=np.float32).reshape(1, *shape)
    framed = crop_or_pad(image, windows.frame)
    return torch.from_numpy(framed)[None], torch.from_numpy(framed[0].astype(np.int64))[None]


def corners(windows: Windows, epochs: int = 400, sample: int = 0) -> np.ndarray:
    return np.concatenate([windows.draw([SampleKey(1, epoch, sample)]) for epoch in range(epochs)])


def test_without_jitter_nothing_is_drawn() -> None:
    windows = Windows(CROP, 0, [(9, 9)])
    image, target = frame_of((9, 9), windows)
    assert windows.frame == CROP
    assert windows.cut(image, target, [SampleKey(1, 2, 0)]) == (image, target)


def list_places(old: int, new: int, jitter: int) -> list[int]:
    """Where a window of `new` pixels may begin in an image of `old`, along one axis."""
    if old <= new:
        return [-((new - old) // 2)]
    centre = (old - new) // 2
    return [place for place in range(old - new + 1) if abs(place - centre) <= jitter]


def cut_by_hand(image: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """The window of an image (h,w) whose smallest value is 1, which pads it."""
    wide = np.pad(image, 50, constant_values=1)
    return wide[corner[0] + 50 : corner[0] + 50 + CROP[0], corner[1] + 50 : corner[1] + 50 + CROP[1]]


@pytest.mark.parametrize("shape", [(6, 5), (7, 6), (8, 8), (9, 10), (20, 21), (5, 5), (4, 3), (6, 20), (3, 12)])
def test_every_place_near_the_centre_and_none_beyond(shape: tuple[int, int]) -> None:
    """What is no larger than the crop stays where a centred crop puts it."""
    windows = Windows(CROP, 3, [shape])
    image, target = frame_of(shape, windows)
    whole = np.arange(1, 1 + shape[0] * shape[1], dtype=np.float32).reshape(shape)
    rows, columns = (list_places(old, new, 3) for old, new in zip(shape, CROP, strict=True))
    expected = {cut_by_hand(whole, (y, x)).tobytes() for y in rows for x in columns}
    found = set()
    for epoch in range(600):
        one, two = windows.cut(image, target, [SampleKey(5, epoch, 0)])
        assert one.shape == (1, 1, *CROP)
        assert torch.equal(one[0, 0].long(), two[0])
        found.add(one[0, 0].numpy().tobytes())
    assert found == expected
    assert len(expected) == len(rows) * len(columns)


def test_a_place_follows_from_seed_epoch_and_sample_alone() -> None:
    windows = Windows(CROP, 4, [(30, 30)] * 3)
    keys = [SampleKey(1, 2, sample) for sample in range(3)]
    together = windows.draw(keys)
    assert together.tolist() == [windows.draw([key])[0].tolist() for key in keys]
    assert together.tolist() != windows.draw([SampleKey(1, 3, sample) for sample in range(3)]).tolist()
    assert together.tolist() != windows.draw([SampleKey(2, 2, sample) for sample in range(3)]).tolist()
    assert len({tuple(corner) for corner in together.tolist()}) > 1


def test_places_say_nothing_of_what_the_augmentation_draws() -> None:
    keys = [SampleKey(1, epoch, 0) for epoch in range(300)]
    places = Windows(CROP, 200, [(1000, 1000)]).draw(keys)
    _, others = draw_samples(keys)
    seeds = np.array(draw_samples(keys)[0], float)[:, None]
    related = np.corrcoef(np.hstack([places, others, seeds]).T)[:2, 2:]
    assert np.abs(related).max() < 0.25


def test_places_are_even() -> None:
    drawn = corners(Windows(CROP, 2, [(30, 30)]), 3000)
    for axis in (0, 1):
        counts = np.bincount(drawn[:, axis], minlength=5)
        assert len(counts) == 5
        assert counts.min() > 500
        assert counts.max() < 700
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.06


def test_slices_of_different_sizes_have_places_of_their_own() -> None:
    windows = Windows((4, 4), 3, [(4, 4), (20, 20)])
    assert len({tuple(corner) for corner in corners(windows, 100, sample=0).tolist()}) == 1
    assert len({tuple(corner) for corner in corners(windows, 300, sample=1).tolist()}) == 49
