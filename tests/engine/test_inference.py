import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlseg.engine.device import choose_compute
from mlseg.engine.inference import Inference, find_stride, pad_to_stride
from mlseg.engine.settings import TrainerSettings
from mlseg.types import PreparedCase

COMPUTE = choose_compute(TrainerSettings(device="cpu", amp="off"))


class Pointwise(nn.Module):
    """Logits (0, 4 * image): sees one pixel at a time, so that any tiling must give the same answer."""

    stride = (8, 8)

    def forward(self, image: Tensor) -> Tensor:
        assert image.shape[2] % 8 == 0
        assert image.shape[3] % 8 == 0
        return torch.cat([torch.zeros_like(image), 4 * image], dim=1)


def make_case(size: tuple[int, int], depth: int = 5) -> PreparedCase:
    image = np.random.default_rng(0).standard_normal((depth, 1, *size)).astype(np.float32)
    target = (image[:, 0] > 0).astype(np.uint8)
    return PreparedCase(
        case_id="c",
        subject_id="s",
        image=image,
        target=target,
        spacing_mm=(10.0, 1.0, 1.0),
        native_target=target,
        native_spacing_mm=(10.0, 1.0, 1.0),
        affine=np.eye(4),
        group="NOR",
        frame="ED",
    )


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (40, 21), (5, 9)])
@pytest.mark.parametrize("mode", ["full", "window"])
def test_the_whole_image_is_seen_whatever_its_size(size: tuple[int, int], mode: str) -> None:
    case = make_case(size)
    inference = Inference(compute=COMPUTE, crop=(16, 16), mode=mode, batch_size=2)  # type: ignore[arg-type]
    prediction = inference.predict(Pointwise(), case, grid="native")
    expected = torch.sigmoid(4 * torch.from_numpy(case.image[:, 0]))
    assert prediction.probs.shape == (2, 5, *size)
    torch.testing.assert_close(prediction.probs[1], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(prediction.probs.sum(dim=0), torch.ones(5, *size))
    assert torch.equal(prediction.target, torch.from_numpy(case.target))
    assert (prediction.case_id, prediction.subject_id, prediction.group, prediction.frame) == ("c", "s", "NOR", "ED")


@pytest.mark.parametrize("size", [(40, 24), (10, 12)])
def test_the_crop_grid_is_the_centred_training_crop(size: tuple[int, int]) -> None:
    case = make_case(size)
    prediction = Inference(compute=COMPUTE, crop=(16, 16)).predict(Pointwise(), case, grid="crop")
    assert prediction.probs.shape == (2, 5, 16, 16)
    assert prediction.target.shape == (5, 16, 16)
    if size == (40, 24):
        assert torch.equal(prediction.target, torch.from_numpy(case.target[:, 12:28, 4:20]))


def test_a_resampled_case_is_judged_on_the_grid_of_its_file() -> None:
    case = make_case((20, 20))
    native = np.zeros((5, 40, 44), dtype=np.uint8)
    case = dataclasses.replace(case, native_target=native, native_spacing_mm=(10.0, 0.5, 0.45))
    prediction = Inference(compute=COMPUTE, crop=(16, 16)).predict(Pointwise(), case, grid="native")
    assert prediction.probs.shape == (2, 5, 40, 44)
    assert prediction.spacing_mm == (10.0, 0.5, 0.45)
    torch.testing.assert_close(prediction.probs.sum(dim=0), torch.ones(5, 40, 44))


def test_a_library_network_without_a_stride_gets_multiples_of_32() -> None:
    assert find_stride(nn.Conv3d(1, 1, 1), 3) == (1, 1, 1)  # torch's layers have a stride of their own
    assert find_stride(nn.Identity(), 3) == (32, 32, 32)
    assert find_stride(Pointwise(), 2) == (8, 8)


def test_padding_repeats_the_border_at_the_far_ends() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad_to_stride(image, (4, 4))
    assert padded.shape == (1, 1, 4, 4)
    assert torch.equal(padded[..., :2, :3], image)
    assert torch.equal(padded[0, 0, :, 3], torch.tensor([2.0, 5.0, 5.0, 5.0]))
    assert pad_to_stride(padded, (4, 2)) is padded


class PointwiseVolume(Pointwise):
    stride = (4, 8, 8)

    def forward(self, image: Tensor) -> Tensor:
        assert all(n % step == 0 for n, step in zip(image.shape[2:], self.stride, strict=True))
        return torch.cat([torch.zeros_like(image), 4 * image], dim=1)


@pytest.mark.parametrize("depth", [3, 8, 13])
@pytest.mark.parametrize("grid", ["native", "crop"])
def test_volumes_are_seen_in_windows_whatever_their_size(depth: int, grid: str) -> None:
    case = make_case((30, 21), depth=depth)
    inference = Inference(compute=COMPUTE, crop=(4, 16, 16), batch_size=3)
    prediction = inference.predict(PointwiseVolume(), case, grid=grid)
    expected = torch.sigmoid(4 * torch.from_numpy(case.image[:, 0]))
    assert prediction.probs is not None
    torch.testing.assert_close(prediction.probs[1], expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(prediction.target, torch.from_numpy(case.target))
    assert inference.crop_image(case).shape == case.image.shape


class Framed(nn.Module):
    """Logits that tell how large and how dark the frame is that the network was shown."""

    stride = (1, 1)

    def forward(self, image: Tensor) -> Tensor:
        assert tuple(image.shape[-2:]) == (16, 24)
        corner = image[..., :1, :1]
        return torch.cat([torch.zeros_like(image), image - corner], dim=1)


@pytest.mark.parametrize("mode", ["full", "window"])
def test_an_image_smaller_than_the_crop_is_framed_as_in_training(mode: str) -> None:
    case = make_case((9, 13))
    inference = Inference(compute=COMPUTE, crop=(16, 24), mode=mode, batch_size=2)  # type: ignore[arg-type]
    native = inference.predict(Framed(), case, grid="native").probs
    crop = inference.predict(Framed(), case, grid="crop").probs
    assert native is not None
    assert crop is not None
    assert native.shape == (2, 5, 9, 13)
    # The training crop pads with the minimum of the slice, so its corner is that, and the image lies in the middle.
    torch.testing.assert_close(native, crop[:, :, 3:12, 5:18])
    low = torch.from_numpy(case.image[:, 0].min(axis=(1, 2)))
    expected = torch.sigmoid(torch.from_numpy(case.image[:, 0]) - low[:, None, None])
    torch.testing.assert_close(native[1], expected)


def test_an_image_smaller_along_one_axis_only() -> None:
    case = make_case((9, 40))
    inference = Inference(compute=COMPUTE, crop=(16, 16), batch_size=2)
    prediction = inference.predict(Pointwise(), case, grid="native")
    assert prediction.probs is not None
    torch.testing.assert_close(prediction.probs[1], torch.sigmoid(4 * torch.from_numpy(case.image[:, 0])))


@pytest.mark.parametrize("mode", ["full", "window"])
def test_a_calibrator_maps_the_logits_before_the_softmax(mode: str) -> None:
    case, shapes = make_case((24, 16)), []

    def cool(logits: Tensor) -> Tensor:
        shapes.append((logits.dtype, logits.shape[1:]))
        return logits / 4

    inference = Inference(compute=COMPUTE, crop=(16, 16), mode=mode, calibrator=cool)  # type: ignore[arg-type]
    for grid in ("native", "crop"):
        prediction = inference.predict(Pointwise(), case, grid=grid)
        image = case.image[:, 0] if grid == "native" else case.image[:, 0, 4:20]
        torch.testing.assert_close(prediction.probs[1], torch.sigmoid(torch.from_numpy(image)), rtol=1e-5, atol=1e-6)
    assert all(dtype == torch.float32 and shape[0] == 2 for dtype, shape in shapes)
