"""Several networks on one scan: turned to each one's axes, averaged, and brought back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlseg.checks import ConfigError
from mlseg.data.preprocess import Preprocessing
from mlseg.engine.device import choose_compute
from mlseg.engine.ensemble import Member, choose_flip_axes, list_combinations, predict_scan
from mlseg.engine.inference import Inference
from mlseg.engine.settings import TrainerSettings
from mlseg.types import Case

COMPUTE = choose_compute(TrainerSettings(device="cpu", amp="off"))
AFFINE = np.diag([1.0, 1.0, 4.0, 1.0])


class Ramp(nn.Module):
    """Logits (0, image + slope * place along w): not the same when the image is flipped."""

    stride = (1, 1)

    def __init__(self, slope: float = 0.0, gain: float = 1.0) -> None:
        super().__init__()
        self.slope, self.gain = slope, gain

    def forward(self, image: Tensor) -> Tensor:
        ramp = torch.arange(image.shape[-1], dtype=image.dtype).expand_as(image[:, :1])
        return torch.cat([torch.zeros_like(image), self.gain * image + self.slope * ramp], dim=1)


def make_case(shape=(2, 5, 7)) -> Case:
    image = np.random.default_rng(0).normal(100, 20, (1, *shape)).astype(np.float32)
    zeros = np.zeros(shape, dtype=np.uint8)
    return Case(case_id="c", subject_id="s", image=image, target=zeros, spacing_mm=(4.0, 1.0, 1.0), affine=AFFINE)


def make_member(network=None, **options) -> Member:
    values = {
        "inference": Inference(compute=COMPUTE, crop=(4, 4)),
        "preprocessing": Preprocessing(clip_percentiles=(0, 100)),
        "orientation": "native",
    }
    return Member(network=network or Ramp(), **{**values, **options})


def expect(case: Case, *, slope=0.0, gain=1.0) -> np.ndarray:
    scaled = (case.image[0] - case.image.mean(dtype=np.float64)) / case.image.std(dtype=np.float64)
    return 1 / (1 + np.exp(-(gain * scaled + slope * np.arange(case.image.shape[-1]))))


def test_one_network_in_the_axes_of_the_file():
    case = make_case()
    probs = predict_scan([make_member(Ramp(slope=0.3))], case)
    assert (probs.shape, probs.dtype) == ((2, 2, 5, 7), np.float32)
    np.testing.assert_allclose(probs[1], expect(case, slope=0.3), atol=1e-5)
    # Brought to LPS the network sees both axes of a slice the other way round.
    turned = predict_scan([make_member(Ramp(slope=0.3), orientation="LPS")], case)
    mirror = Case(**{**vars(case), "image": case.image[..., ::-1]})
    np.testing.assert_allclose(turned[1], expect(mirror, slope=0.3)[..., ::-1], atol=1e-5)


def test_networks_of_any_axes_and_spacing_are_averaged():
    case = make_case()
    networks = [Ramp(gain=1.0), Ramp(gain=3.0), Ramp(gain=-2.0)]
    members = [make_member(one, orientation=axes) for one, axes in zip(networks, ("native", "SRA", "LPS"), strict=True)]
    expected = np.mean([expect(case, gain=one.gain) for one in networks], axis=0)
    np.testing.assert_allclose(predict_scan(members, case)[1], expected, atol=1e-5)
    coarse = make_member(preprocessing=Preprocessing(spacing_mm=(2.0, 2.0)))
    both = predict_scan([members[0], coarse], case)
    np.testing.assert_allclose(both, (predict_scan([members[0]], case) + predict_scan([coarse], case)) / 2, atol=1e-6)
    np.testing.assert_allclose(both.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("axes", [("w",), ("h",), ("h", "w")])
def test_flips_are_undone_before_they_are_averaged(axes):
    case = make_case()
    # A network that looks at each pixel alone sees the same in a mirror.
    plain = predict_scan([make_member()], case)
    np.testing.assert_allclose(predict_scan([make_member(flip_axes=axes)], case), plain, atol=1e-6)
    probs = predict_scan([make_member(Ramp(slope=0.3), flip_axes=axes)], case)[1]
    mirror = Case(**{**vars(case), "image": case.image[..., ::-1]})
    once, other = expect(case, slope=0.3), expect(mirror, slope=0.3)[..., ::-1]
    np.testing.assert_allclose(probs, (once + other) / 2 if "w" in axes else once, atol=1e-5)


def test_only_flips_that_a_network_can_see():
    assert choose_flip_axes(["w", "d"], in_3d=True) == ("d", "w")
    assert choose_flip_axes(["d", "h"], in_3d=False) == ("h",)
    with pytest.raises(ConfigError, match=r"data.flip_axes=\[d\]"):
        choose_flip_axes(["d"], in_3d=False)
    assert len(list_combinations(("d", "h", "w"))) == 8


def test_volumes_are_flipped_along_depth():
    class Depth(nn.Module):
        stride = (1, 1, 1)

        def forward(self, image: Tensor) -> Tensor:
            place = torch.arange(image.shape[2], dtype=image.dtype)[:, None, None].expand_as(image[:, :1])
            return torch.cat([torch.zeros_like(image), place], dim=1)

    inference = Inference(compute=COMPUTE, crop=(3, 5, 7))
    probs = predict_scan([make_member(Depth(), inference=inference, flip_axes=("d",))], make_case((3, 5, 7)))
    rising = 1 / (1 + np.exp(-np.arange(3.0)))
    np.testing.assert_allclose(probs[1, :, 0, 0], (rising + rising[::-1]) / 2, atol=1e-5)
