"""Which voxels are drawn, and that logits and references belong together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlseg.engine import calibration_voxels
from mlseg.engine.calibration_voxels import CaseVoxels, Sampling, predict_and_draw, weigh_voxels
from mlseg.engine.device import choose_compute
from mlseg.engine.inference import Inference
from mlseg.engine.settings import TrainerSettings
from mlseg.metrics.regions import find_boundary
from mlseg.types import PreparedCase

COMPUTE = choose_compute(TrainerSettings(device="cpu", amp="off"))


class Telling(nn.Module):
    """Logits (0, image, 2 * image) of a pixel: with an image that holds the reference they must fit together."""

    stride = (8, 8)

    def forward(self, image: Tensor) -> Tensor:
        assert image.shape[1] == 1
        assert all(n % 8 == 0 for n in image.shape[-2:])
        return torch.cat([torch.zeros_like(image), image, 2 * image], dim=1)


def make_case(size: tuple[int, int] = (20, 26), depth: int = 5) -> PreparedCase:
    """The image is the reference plus a tenth of a number that no two voxels share."""
    random = np.random.default_rng(0)
    target = random.integers(0, 3, (depth, *size)).astype(np.uint8)
    own = np.arange(target.size, dtype=np.float32).reshape(target.shape) / target.size / 10
    return PreparedCase(
        case_id="c",
        subject_id="s",
        image=(target + own)[:, None].astype(np.float32),
        target=target,
        spacing_mm=(10.0, 1.0, 1.0),
        native_target=target,
        native_spacing_mm=(10.0, 1.0, 1.0),
        affine=np.eye(4),
    )


def draw(case: PreparedCase, *, mode: str = "full", crop=(16, 16), batch_size: int = 2, **sampling) -> CaseVoxels:
    inference = Inference(compute=COMPUTE, crop=crop, mode=mode, batch_size=batch_size)
    return predict_and_draw(Telling(), case, inference=inference, sampling=Sampling(**sampling))[1]


@pytest.mark.parametrize("size", [(16, 16), (20, 26), (5, 30), (9, 11)])
@pytest.mark.parametrize("mode", ["full", "window"])
def test_logits_and_references_belong_together_and_padding_is_not_drawn(size, mode):
    case = make_case(size)
    voxels = draw(case, mode=mode)
    assert (voxels.case_id, voxels.subject_id, voxels.seen) == ("c", "s", len(voxels.target))
    assert voxels.logits.shape == (voxels.seen, 3)
    assert torch.equal(voxels.logits[:, 1].floor().to(torch.uint8), voxels.target)
    assert torch.equal(voxels.logits[:, 2], 2 * voxels.logits[:, 1])
    drawn = set(voxels.logits[:, 1].tolist())
    marked = case.image[:, 0].copy()
    marked[:, 0, 0] = np.nan  # the first voxel of each slice
    assert drawn == set(marked[~np.isnan(marked)].tolist())
    if mode == "full":
        assert voxels.seen == 5 * (size[0] * size[1] - 1)


def test_volumes_are_seen_as_inference_sees_them():
    case = make_case((20, 18), depth=3)

    class TellingVolume(Telling):
        stride = (2, 8, 8)

    inference = Inference(compute=COMPUTE, crop=(4, 16, 16), batch_size=2)
    _, voxels = predict_and_draw(TellingVolume(), case, inference=inference, sampling=Sampling())
    assert torch.equal(voxels.logits[:, 1].floor().to(torch.uint8), voxels.target)
    assert len(set(voxels.logits[:, 1].tolist())) == 3 * (20 * 18 - 1)


def test_the_prediction_is_that_of_the_network_alone():
    case, inference = make_case(), Inference(compute=COMPUTE, crop=(16, 16))
    prediction, _ = predict_and_draw(Telling(), case, inference=inference, sampling=Sampling(limit=10))
    expected = inference.predict(Telling(), case, grid="native")
    assert torch.equal(prediction.probs, expected.probs)
    assert torch.equal(prediction.target, expected.target)


def test_a_region_is_drawn_from_alone():
    case = make_case()
    foreground = draw(case, region="foreground")
    assert set(foreground.target.tolist()) == {1, 2}
    assert foreground.seen == int((case.target > 0).sum() - (case.target[:, 0, 0] > 0).sum())
    target = np.zeros_like(case.target)
    target[:, 8:12, 8:12] = 1
    case = dataclasses.replace(case, target=target, image=target[:, None].astype(np.float32))
    boundary = draw(case, region="boundary", boundary_mm=2.0)
    near = find_boundary(torch.from_numpy(target).long(), case.spacing_mm, boundary_mm=2.0)
    assert boundary.seen == int(near.sum())
    assert 0 < int((boundary.target == 1).sum()) < boundary.seen


def test_a_draw_follows_from_its_seed_and_not_from_the_batch_size(monkeypatch):
    case = make_case((64, 64))
    few = draw(case, limit=100)
    assert (len(few.target), few.seen) == (100, 5 * (64 * 64 - 1))
    assert torch.equal(draw(case, limit=100, batch_size=5).logits, few.logits)
    assert torch.equal(draw(case, limit=100, batch_size=1).logits, few.logits)
    assert not torch.equal(draw(case, limit=100, seed=1).logits, few.logits)
    other = dataclasses.replace(case, case_id="d")
    assert not torch.equal(draw(other, limit=100).logits, few.logits)
    kept = {tuple(row) for row in draw(case).logits.tolist()}
    assert {tuple(row) for row in few.logits.tolist()} <= kept
    # In the order of the image, as everything is.
    assert few.logits[:, 1].sub(few.target).tolist() == sorted(few.logits[:, 1].sub(few.target).tolist())


def test_a_draw_is_even():
    case = make_case((64, 64))
    drawn = torch.cat([draw(case, limit=500, seed=seed).logits[:, 1] for seed in range(20)])
    place = (drawn - drawn.floor()) * 10  # from 0 to 1 along the image
    counts = torch.histc(place, bins=5, min=0, max=1)
    assert (counts - 2000).abs().max() < 6 * 2000**0.5


def test_no_more_is_held_than_twice_the_limit(monkeypatch):
    held = []
    collect = calibration_voxels._Drawer._shrink

    def watch(drawer):
        held.append(drawer.count)
        collect(drawer)

    monkeypatch.setattr(calibration_voxels._Drawer, "_shrink", watch)
    draw(make_case((64, 64), depth=20), limit=50, batch_size=1)
    assert max(held) <= 100 + 64 * 64
    assert len(held) < 20


def test_subjects_weigh_the_same_and_so_do_the_cases_of_one():
    def voxels(subject: str, count: int) -> CaseVoxels:
        logits, target = torch.zeros(count, 2), torch.zeros(count, dtype=torch.uint8)
        return CaseVoxels(case_id="x", subject_id=subject, logits=logits, target=target, seen=count)

    logits, target, weight = weigh_voxels([voxels("a", 4), voxels("a", 2), voxels("b", 5), voxels("b", 0)])
    assert (logits.shape, target.shape) == ((11, 2), (11,))
    assert weight.tolist() == pytest.approx([1 / 8] * 4 + [1 / 4] * 2 + [1 / 5] * 5)
