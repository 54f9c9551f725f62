"""What every network promises, for each configs/model/*.yaml."""

from __future__ import annotations

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

BATCH, CHANNELS, CLASSES = 3, 2, 5


@pytest.fixture
def model(compose_run, model_name: str) -> nn.Module:
    torch.manual_seed(0)
    overrides = ("data=acdc", f"data.in_channels={CHANNELS}", f"data.num_classes={CLASSES}")
    return instantiate(compose_run(f"model={model_name}", *overrides).model)


@pytest.fixture
def image(model: nn.Module) -> Tensor:
    """An odd number of images whose sides are 1, 2 (and 3) times the stride."""
    size = [factor * stride for factor, stride in enumerate(model.stride, start=1)]
    return torch.randn(BATCH, CHANNELS, *size, generator=torch.Generator().manual_seed(1))


def test_stride_is_a_whole_number_per_axis(model):
    assert len(model.stride) == 2
    assert all(isinstance(stride, int) and stride >= 1 for stride in model.stride)


def test_logits_for_every_class_and_voxel(model, image):
    logits = model(image)
    assert logits.shape == (BATCH, CLASSES, *image.shape[2:])
    assert logits.dtype == torch.float32
    # Logits, not probabilities.
    assert not torch.allclose(logits.sum(dim=1), torch.ones_like(logits[:, 0]))


def test_gradient_reaches_every_parameter(model, image):
    model(image).square().mean().backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert missing == []


def test_evaluation_is_deterministic_and_sample_by_sample(model, image):
    model.eval()
    with torch.no_grad():
        logits = model(image)
        assert torch.equal(model(image), logits)
        torch.testing.assert_close(torch.cat([model(one) for one in image.split(1)]), logits, rtol=1e-4, atol=1e-5)


def test_every_class_and_channel_is_used(model, image):
    model.eval()
    image.requires_grad_()
    logits = model(image)
    assert (logits.flatten(2).std(dim=2) > 0).all()
    (gradient,) = torch.autograd.grad(logits.square().sum(), image)
    assert (gradient.abs().sum(dim=(0, 2, 3)) > 0).all()


def test_state_dict_carries_everything(model, image, compose_run, model_name):
    overrides = ("data=acdc", f"data.in_channels={CHANNELS}", f"data.num_classes={CLASSES}")
    twin = instantiate(compose_run(f"model={model_name}", *overrides).model).eval()
    twin.load_state_dict(model.eval().state_dict())
    with torch.no_grad():
        assert torch.equal(twin(image), model(image))


def test_bf16_autocast(model, image):
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.eval()(image).isfinite().all()


def test_an_image_that_does_not_fit_the_stride_is_an_error(model, image):
    with pytest.raises(ValueError, match=str(model.stride[-1])):
        model(image[..., :-1])
