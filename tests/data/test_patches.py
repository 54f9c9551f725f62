from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mlseg.checks import ConfigError
from mlseg.data.framing import pad_volume
from mlseg.data.patches import PatchLoader, choose_place
from mlseg.data.preprocess import draw_landmarks
from mlseg.types import PreparedCase


def make_case(index: int, shape: tuple[int, int, int] = (12, 20, 18)) -> PreparedCase:
    draw = np.random.default_rng(index)
    target = np.zeros(shape, dtype=np.uint8)
    target[2:5, 3:7, 4:8], target[3, 4, 5] = 1, 2
    # The first channel tells each voxel's place.
    image = np.stack([np.arange(target.size, dtype=np.float32).reshape(shape), draw.random(shape, np.float32)], axis=1)
    return PreparedCase(
        case_id=f"case{index}",
        subject_id=f"subject{index}",
        image=image,
        target=target,
        spacing_mm=(1.0, 1.0, 1.0),
        native_target=target,
        native_spacing_mm=(1.0, 1.0, 1.0),
        affine=np.eye(4),
        landmarks=draw_landmarks(target),
    )


CASES = [make_case(0), make_case(1, (9, 16, 30)), make_case(2)]


def build_loader(cases: Sequence[PreparedCase] = CASES, **settings: Any) -> PatchLoader:
    defaults: dict[str, Any] = {"crop": (6, 8, 8), "batch_size": 4, "seed": 1, "patches_per_case": 3}
    return PatchLoader(cases, **{**defaults, **settings})


def test_patches_are_pieces_of_their_case() -> None:
    by_id = {case.case_id: case for case in CASES}
    batches = list(build_loader().epoch(0))
    assert [len(batch["image"]) for batch in batches] == [4, 4, 1]
    assert len(build_loader()) == 3
    counted = [case_id for batch in batches for case_id in batch["case_id"]]
    assert sorted(counted) == sorted(case.case_id for case in CASES for _ in range(3))
    for batch in batches:
        assert batch["image"].shape[1:] == (2, 6, 8, 8)
        assert batch["target"].dtype == torch.int64
        for image, target, case_id, depth in zip(
            *(batch[key] for key in ("image", "target", "case_id", "slice_index")), strict=True
        ):
            case = by_id[case_id]
            d, h, w = np.unravel_index(int(image[0, 0, 0, 0]), case.target.shape)
            assert d == depth
            place = (slice(d, d + 6), slice(h, h + 8), slice(w, w + 8))
            np.testing.assert_array_equal(image.numpy(), case.image.transpose(1, 0, 2, 3)[(slice(None), *place)])
            np.testing.assert_array_equal(target.numpy(), case.target[place])


@pytest.mark.parametrize("residency", ["memory", "device"])
def test_every_residency_gives_the_same_batches(residency: str) -> None:
    for one, other in zip(
        build_loader(residency="disk").epoch(2), build_loader(residency=residency).epoch(2), strict=True
    ):
        assert torch.equal(one["image"], other["image"])
        assert torch.equal(one["target"], other["target"])
        assert one["case_id"] == other["case_id"]


def test_seed_and_epoch_decide() -> None:
    def first(loader: PatchLoader, epoch: int) -> torch.Tensor:
        return next(loader.epoch(epoch))["image"]

    assert torch.equal(first(build_loader(), 0), first(build_loader(), 0))
    assert not torch.equal(first(build_loader(), 0), first(build_loader(), 1))
    assert not torch.equal(first(build_loader(), 0), first(build_loader(seed=2), 0))


def test_the_share_of_the_foreground_is_kept() -> None:
    case, crop = make_case(0), (4, 4, 4)

    def holds_foreground(share: float, count: int = 300) -> float:
        found = 0
        for sample in range(count):
            start = choose_place(case, crop, np.random.default_rng(sample), foreground_share=share)
            d, h, w = (slice(first, first + size) for first, size in zip(start, crop, strict=True))
            found += bool((case.target[d, h, w] > 0).any())
        return found / count

    none, third, all_of_them = (holds_foreground(share) for share in (0.0, 0.33, 1.0))
    assert none < 0.3
    assert none + 0.1 < third < 0.6
    assert all_of_them == 1.0


def test_rare_classes_are_met_as_often_as_common_ones() -> None:
    # One voxel of class 2 among 48 of class 1.
    case = make_case(0)
    starts = [choose_place(case, (1, 1, 1), np.random.default_rng(s), foreground_share=1.0) for s in range(400)]
    share = np.mean([case.target[start] == 2 for start in starts])
    assert 0.4 < share < 0.6


def test_free_patches_reach_every_corner() -> None:
    case, crop = make_case(0), (6, 8, 8)
    starts = {choose_place(case, crop, np.random.default_rng(s), foreground_share=0.0) for s in range(2000)}
    assert min(starts) == (0, 0, 0) or {axis for start in starts for axis in start} >= {0}
    for axis, (n, size) in enumerate(zip(case.target.shape, crop, strict=True)):
        assert {start[axis] for start in starts} == set(range(n - size + 1))


def test_a_case_smaller_than_the_patch_is_padded() -> None:
    (batch,) = build_loader([make_case(0)], crop=(16, 24, 8), patches_per_case=1).epoch(0)
    image, target = batch["image"][0], batch["target"][0]
    case = make_case(0)
    assert image.shape == (2, 16, 24, 8)
    # Twelve of sixteen slices and twenty of twenty-four rows, in the middle.
    assert (target[:2] == 0).all()
    for channel in range(2):
        assert (image[channel, :2] == float(case.image[:, channel].min())).all()
    inside = image[1, 2:14, 2:22]
    assert np.isin(inside.numpy(), case.image[:, 1]).all()


def test_padding_is_the_same_as_when_the_network_is_judged() -> None:
    case = make_case(0)
    (batch,) = build_loader([case], crop=(15, 25, 19), patches_per_case=1).epoch(0)
    padded, (d, h, w) = pad_volume(case.image, (15, 25, 19))
    np.testing.assert_array_equal(batch["image"][0].numpy(), padded.transpose(1, 0, 2, 3))
    np.testing.assert_array_equal(padded[d, :, h, w], case.image)
    assert pad_volume(case.image, (3, 20, 18))[0] is case.image


def test_a_case_without_foreground_has_free_patches() -> None:
    empty = make_case(0)
    target = np.zeros_like(empty.target)
    empty = replace(empty, target=target, landmarks=draw_landmarks(target))
    assert empty.landmarks is not None
    assert empty.landmarks.shape == (0, 4)
    assert len(list(build_loader([empty], foreground_share=1.0).epoch(0))) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"crop": (6, 8)}, {"crop": (0, 8, 8)}, {"batch_size": 0}, {"patches_per_case": 0}, {"foreground_share": 1.1}],
)
def test_what_cannot_be_used_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        build_loader(**wrong)
    with pytest.raises(ConfigError, match="at least one case"):
        build_loader([])
