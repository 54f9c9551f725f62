"""What every network promises, for each configs/model/*.yaml, in 2D and, where its YAML takes data.dims, in 3D.

A network is built once, and all its tests run before the next one is built.
"""

from __future__ import annotations

import copy
import io
import re
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from mlseg.checks import find_problems
from mlseg.cli.build import build
from mlseg.engine.device import Compute
from mlseg.engine.inference import find_stride, forward, pad_to_stride

MODELS = Path(__file__).resolve().parents[2] / "configs" / "model"
STEMS = sorted(path.stem for path in MODELS.glob("*.yaml"))
assert STEMS, f"no YAML in {MODELS}: the contract tests would test nothing"

# For 1 channel and 4 classes, measured on the authors' code; TransUNet, whose encoder is timm's, at 192 x 192 pixels.
PARAMETERS = {"unet": 7_846_180, "attunet": 34_877_616, "unetpp": 26_072_772, "transunet": 105_230_148}
# Parameters whose gradient is nothing: the authors keep the biases in front of batch norm, which takes them out again.
CANCELLED = {"attunet": ".bias"}
BATCH, CHANNELS, CLASSES = 2, 4, 5
# No multiples of anything; ten slices, as in a short-axis stack.
SIZES = {2: (37, 70), 3: (10, 17, 21)}
# Networks that do not take images of 32 voxels or less on every axis, as their YAML says.
LARGER = {"swinunetr": {2: (37, 70), 3: (10, 17, 35)}}
FLOAT32 = Compute(device=torch.device("cpu"), amp="off", channels_last=False)


@dataclass(frozen=True)
class Case:
    """A network under test with an image of odd size and its logits in eval mode."""

    name: str
    dims: int
    network: nn.Module
    image: Tensor
    logits: Tensor


def supports(name: str, dims: int) -> bool:
    """3D where the YAML hands data.dims on and no rule of mlseg.checks forbids it."""
    node = OmegaConf.to_container(OmegaConf.load(MODELS / f"{name}.yaml"), resolve=False)
    takes_dims = [key for key, value in node.items() if value == "${data.dims}"]
    return dims == 2 or (bool(takes_dims) and not find_problems(node["_target_"], dict.fromkeys(takes_dims, dims)))


def refuse(*_: object) -> None:
    raise AssertionError("a network must not reach for the internet unless it is told to")


def build_network(compose_run, name: str, dims: int, *, channels: int = CHANNELS, classes: int = CLASSES) -> nn.Module:
    overrides = (f"data.dims={dims}", f"data.in_channels={channels}", f"data.num_classes={classes}")
    overrides += ("data.crop=[64,96]",) if dims == 2 else ("data.crop=[16,32,64]",)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        return build(compose_run(f"model={name}", "data=acdc", *overrides).model)


@torch.no_grad()
def infer(network: nn.Module, image: Tensor) -> Tensor:
    return forward(network.eval(), image, FLOAT32)


@pytest.fixture(
    scope="module",
    params=[(name, dims) for name in STEMS for dims in (2, 3) if supports(name, dims)],
    ids=lambda param: f"{param[0]}-{param[1]}d",
)
def case(request, compose_run) -> Case:
    name, dims = request.param
    torch.manual_seed(0)
    network = build_network(compose_run, name, dims)
    size = LARGER.get(name, SIZES)[dims]
    image = torch.randn(BATCH, CHANNELS, *size, generator=torch.Generator().manual_seed(1))
    return Case(name=name, dims=dims, network=network, image=image, logits=infer(network, image))


def test_some_networks_are_three_dimensional():
    assert [name for name in STEMS if supports(name, 3)] == ["attunet", "dynunet", "segresnet", "swinunetr", "unet"]


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_as_large_as_the_authors(compose_run, name):
    network = build(compose_run(f"model={name}", "data=acdc").model)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name]


def test_logits_for_every_class_and_voxel_of_an_image_of_any_size(case):
    assert case.logits.shape == (BATCH, CLASSES, *case.image.shape[2:])
    assert case.logits.dtype == torch.float32
    assert (case.logits.flatten(2).std(dim=2) > 0).all()
    # Logits, not probabilities.
    assert not torch.allclose(case.logits.sum(dim=1), torch.ones_like(case.logits[:, 0]), atol=1e-3)


def test_padding_is_no_more_than_it_takes_and_is_undone(case):
    stride = find_stride(case.network, case.dims)
    assert len(stride) == case.dims
    assert all(isinstance(number, int) and 1 <= number <= 32 for number in stride)
    padded = pad_to_stride(case.image[:1], stride)
    assert all(a - b < s for a, b, s in zip(padded.shape[2:], case.image.shape[2:], stride, strict=True))
    with torch.no_grad():
        whole = case.network.eval()(padded)
    torch.testing.assert_close(whole[(..., *map(slice, case.image.shape[2:]))], case.logits[:1], rtol=1e-4, atol=1e-4)


def test_evaluation_is_deterministic_and_sample_by_sample(case):
    assert torch.equal(infer(case.network, case.image), case.logits)
    torch.testing.assert_close(infer(case.network, case.image[1:]), case.logits[1:], rtol=1e-4, atol=1e-4)


def test_gradient_reaches_every_parameter_and_channel(case):
    network = copy.deepcopy(case.network).train()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():  # scales that begin at zero let nothing through before the first step
                parameter.normal_(std=0.1)
    image = case.image.clone().requires_grad_()
    forward(network, image, FLOAT32).square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.isfinite().all()] == []
    cancelled = CANCELLED.get(case.name, "none")
    assert [name for name, gradient in gradients.items() if not (gradient.any() or name.endswith(cancelled))] == []
    assert image.grad.abs().amax(dim=(0, *range(2, image.dim()))).all()


def test_bf16_autocast(case):
    compute = Compute(device=torch.device("cpu"), amp="bf16", channels_last=True)
    with torch.no_grad():
        logits = forward(case.network.eval(), case.image[:1], compute)
    assert logits.shape == case.logits[:1].shape
    # Not the same numbers, but the same map.
    both = torch.stack([logits.float().flatten(), case.logits[:1].flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.98


def test_a_checkpoint_carries_everything(case, compose_run):
    file = io.BytesIO()
    torch.save(case.network.state_dict(), file)
    file.seek(0)
    torch.manual_seed(9)
    twin = build_network(compose_run, case.name, case.dims)
    assert not torch.equal(next(twin.parameters()), next(case.network.parameters()))
    twin.load_state_dict(torch.load(file, weights_only=True))
    torch.testing.assert_close(infer(twin, case.image[:1]), case.logits[:1], rtol=1e-4, atol=1e-4)


def test_one_channel_and_two_classes(case, compose_run):
    network = build_network(compose_run, case.name, case.dims, channels=1, classes=2)
    assert infer(network, case.image[:1, :1]).shape == (1, 2, *case.image.shape[2:])


def test_an_image_that_does_not_fit_the_stride_is_an_error(case):
    if not hasattr(case.network, "stride"):
        pytest.skip("a library's network")
    stride = case.network.stride
    image = torch.zeros(1, CHANNELS, *stride)
    with pytest.raises((ValueError, RuntimeError), match=re.escape(str(stride[-1]))):
        case.network(image[..., :-1])
