"""Batches of slices: the same under every residency, in an order that seed and epoch decide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mlseg.checks import ConfigError
from mlseg.data.acdc import ACDCSource
from mlseg.data.augment import Augmentation
from mlseg.data.cache import PreparedSet, prepare_cases
from mlseg.data.framing import crop_or_pad
from mlseg.data.preprocess import Preprocessing
from mlseg.data.slices import SliceLoader
from mlseg.types import SegBatch

CROP = (36, 48)  # cut in h, padded in w
HAS_GPU = torch.cuda.is_available()


@pytest.fixture(scope="module")
def cases(acdc_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    source = ACDCSource(acdc_root)
    cache_dir = tmp_path_factory.mktemp("cache")
    return prepare_cases(source, source.list_cases()[:5], Preprocessing(), cache_dir=cache_dir, workers=1)


def load(cases: PreparedSet, **options: object) -> SliceLoader:
    return SliceLoader(cases, **{"crop": CROP, "batch_size": 3, "seed": 7, **options})  # type: ignore[arg-type]


def names(loader: SliceLoader, epoch: int) -> list[tuple[str, int]]:
    return [pair for batch in loader.epoch(epoch) for pair in zip(batch["case_id"], batch["slice_index"], strict=True)]


def assert_same(first: list[SegBatch], second: list[SegBatch]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert (a["case_id"], a["slice_index"]) == (b["case_id"], b["slice_index"])
        assert torch.equal(a["image"].cpu(), b["image"].cpu())
        assert torch.equal(a["target"].cpu(), b["target"].cpu())


def test_every_slice_comes_once_an_epoch(cases: PreparedSet) -> None:
    loader = load(cases)
    expected = [(case.case_id, index) for case in cases for index in range(len(case.image))]
    assert loader.num_samples == len(expected) == 20
    assert sorted(names(loader, 0)) == expected
    assert names(load(cases, shuffle=False), 3) == expected


@pytest.mark.parametrize("residency", ["device", "memory", "disk"])
def test_a_batch_holds_the_cropped_slices_of_its_cases(cases: PreparedSet, residency: str) -> None:
    by_id = {case.case_id: case for case in cases}
    for batch in load(cases, residency=residency).epoch(1):
        assert batch["image"].dtype == torch.float32
        assert batch["target"].dtype == torch.int64
        assert batch["image"].shape[1:] == (1, *CROP)
        assert batch["image"].is_contiguous()
        for row, (case_id, index) in enumerate(zip(batch["case_id"], batch["slice_index"], strict=True)):
            case = by_id[case_id]
            np.testing.assert_array_equal(batch["image"][row].numpy(), crop_or_pad(case.image[index], CROP))
            np.testing.assert_array_equal(batch["target"][row].numpy(), crop_or_pad(case.target[index], CROP))


def test_residencies_give_identical_batches(cases: PreparedSet) -> None:
    reference = list(load(cases, residency="disk").epoch(2))
    for residency in ("device", "memory", "auto"):
        assert_same(list(load(cases, residency=residency).epoch(2)), reference)


def test_order_follows_from_seed_and_epoch_alone(cases: PreparedSet) -> None:
    loader = load(cases)
    orders = [names(loader, epoch) for epoch in range(4)]
    assert len({tuple(order) for order in orders}) == 4
    torch.manual_seed(99)
    torch.rand(3)
    state = torch.get_rng_state()
    assert names(load(cases), 2) == orders[2]
    assert torch.equal(torch.get_rng_state(), state), "the order must not draw from the global generator"
    assert names(load(cases, seed=8), 2) != orders[2]
    assert names(load(cases, seed=9), 0) != names(load(cases, seed=8), 1)
    assert names(load(cases, batch_size=5), 2) == orders[2]


@pytest.mark.parametrize("residency", ["device", "memory", "disk"])
@pytest.mark.parametrize(
    ("batch_size", "drop_last", "sizes"),
    [
        (3, False, [3] * 6 + [2]),
        (3, True, [3] * 6),
        (5, False, [5] * 4),
        (5, True, [5] * 4),
        (20, True, [20]),
        (64, False, [20]),
        (64, True, [20]),
        (1, False, [1] * 20),
    ],
)
def test_batch_sizes(cases: PreparedSet, residency: str, batch_size: int, drop_last: bool, sizes: list[int]) -> None:
    loader = load(cases, batch_size=batch_size, drop_last=drop_last, residency=residency)
    assert len(loader) == len(sizes)
    assert [len(batch["image"]) for batch in loader.epoch(0)] == sizes


@pytest.mark.parametrize("residency", ["device", "memory", "disk"])
def test_batches_are_the_callers_to_change(cases: PreparedSet, residency: str) -> None:
    loader = load(cases, residency=residency)
    before = [batch["image"].clone() for batch in loader.epoch(0)]
    for batch in loader.epoch(0):
        batch["image"].fill_(7)
        batch["target"].fill_(7)
    for batch, image in zip(loader.epoch(0), before, strict=True):
        assert torch.equal(batch["image"], image)


@pytest.mark.parametrize("residency", ["device", "memory", "disk"])
def test_an_epoch_may_be_left_early_and_several_run_at_once(cases: PreparedSet, residency: str) -> None:
    loader = load(cases, residency=residency)
    first, second = loader.epoch(0), loader.epoch(0)
    for _ in range(3):
        assert_same([next(first)], [next(second)])
    first.close()  # type: ignore[attr-defined]
    assert len(list(second)) == len(loader) - 3


def test_a_cut_map_on_disk_is_an_error_not_a_hang(cases: PreparedSet, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = load(cases, residency="disk")
    monkeypatch.setattr("mlseg.data.slices.crop_or_pad", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(loader.epoch(0))


def test_residency_is_told(cases: PreparedSet) -> None:
    loader = load(cases)
    assert loader.residency == "memory"
    assert "available" in loader.residency_reason


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crop": (0, 192)}, "crop must be a whole number of at least 1, got 0"),
        ({"crop": (192,)}, r"crop must be \(h,w\)"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"residency": "ram"}, "residency must be"),
    ],
)
def test_arguments_are_checked(cases: PreparedSet, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(cases, **wrong)


def test_an_empty_set_is_refused(cases: PreparedSet) -> None:
    with pytest.raises(ConfigError, match="cases must hold at least one slice"):
        load(cases.subset([]))


@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")
@pytest.mark.parametrize("residency", ["device", "memory", "disk"])
def test_on_a_gpu_batches_are_the_same_and_never_wait(cases: PreparedSet, residency: str) -> None:
    loader = load(cases, device="cuda", residency=residency)
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = list(loader.epoch(2))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(batch["image"].is_cuda and batch["target"].is_cuda for batch in batches)
    assert_same(batches, list(load(cases, residency="disk").epoch(2)))


def test_blank_slices_can_be_left_out(cases: PreparedSet) -> None:
    listed = [replace(case, blank_slices=(0,)) for case in cases]
    assert load(listed).num_samples == 20
    assert sorted(names(load(listed, skip_blank=True), 0)) == [
        (case.case_id, index) for case in cases for index in range(1, len(case.image))
    ]


def test_a_last_batch_of_one_slice_is_left_out(cases: PreparedSet) -> None:
    # 20 slices: batch norm cannot learn from the twentieth alone.
    assert [len(load(cases, batch_size=size)) for size in (19, 3, 1, 30)] == [1, 7, 20, 1]
    assert sum(len(batch["image"]) for batch in load(cases, batch_size=19).epoch(0)) == 19
    assert len(load(cases, batch_size=3, drop_last=True)) == 6


@pytest.mark.parametrize("residency", ["memory", "disk"])
def test_augmentation_follows_the_slice_and_not_its_batch(cases: PreparedSet, residency: str) -> None:
    augment = Augmentation(rotation_deg=30, noise=0.1)
    found = {}
    for size in (3, 7):
        loader = load(cases, batch_size=size, augment=augment, residency=residency)
        found[size] = {
            pair: image
            for batch in loader.epoch(4)
            for pair, image in zip(
                zip(batch["case_id"], batch["slice_index"], strict=True), batch["image"], strict=True
            )
        }
    assert len(found[3]) == len(found[7]) == 20
    for pair, image in found[3].items():
        torch.testing.assert_close(image, found[7][pair], atol=1e-5, rtol=1e-5)
    plain = next(load(cases).epoch(4))
    assert not torch.allclose(plain["image"], next(load(cases, augment=augment).epoch(4))["image"])


@pytest.mark.parametrize("residency", ["device", "memory", "disk"])
def test_a_jittered_crop_is_a_window_of_its_slice(cases: PreparedSet, residency: str) -> None:
    by_id = {case.case_id: case for case in cases}
    loader = load(cases, residency=residency, jitter=5, augment=Augmentation(noise=0.0))
    centred = 0
    for batch in loader.epoch(1):
        assert batch["image"].shape[1:] == (1, *CROP)
        for image, target, case_id, index in zip(
            batch["image"].cpu(), batch["target"].cpu(), batch["case_id"], batch["slice_index"], strict=True
        ):
            case = by_id[case_id]
            room = case.image.shape[-2] - CROP[0]
            places = range(max(0, room // 2 - 5), min(room, room // 2 + 5) + 1)
            windows = {y: crop_or_pad(np.asarray(case.image[index])[:, y : y + CROP[0]], CROP) for y in places}
            found = [y for y, window in windows.items() if np.array_equal(window, image.numpy())]
            assert len(found) == 1
            rows = slice(found[0], found[0] + CROP[0])
            assert np.array_equal(crop_or_pad(np.asarray(case.target[index])[rows], CROP), target.numpy())
            centred += found[0] == room // 2
    assert centred < loader.num_samples / 2
    assert_same(list(loader.epoch(1)), list(load(cases, jitter=5).epoch(1)))


def test_a_jitter_below_nothing_is_refused(cases: PreparedSet) -> None:
    with pytest.raises(ConfigError, match="jitter"):
        load(cases, jitter=-1)
