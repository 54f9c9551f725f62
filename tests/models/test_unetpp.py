"""UNet++: the library's class, with weights from a file or, when asked, from the internet."""

from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torchvision.models import resnet34

from mlseg.checks import ConfigError
from mlseg.models.unetpp import UNetPlusPlus


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """A ResNet-34 as torchvision writes it, classifier included."""
    torch.manual_seed(1)
    return resnet34(weights=None).state_dict()


@pytest.fixture(scope="module")
def weights_path(weights, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "resnet34.pth"
    torch.save(weights, path)
    return str(path)


def test_it_is_the_class_of_the_library():
    torch.manual_seed(0)
    net = UNetPlusPlus(2, 3).eval()
    twin = smp.UnetPlusPlus("resnet34", encoder_weights=None, in_channels=2, classes=3).eval()
    twin.load_state_dict(net.state_dict())
    image = torch.randn(1, 2, 32, 64)
    assert isinstance(net, smp.UnetPlusPlus)
    assert torch.equal(net(image), twin(image))
    assert net.stride == (32, 32)


def test_as_large_as_the_authors():
    assert sum(parameter.numel() for parameter in UNetPlusPlus(1, 4).parameters()) == 26_072_772


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_local_file_fills_the_encoder(weights, weights_path, channels):
    net = UNetPlusPlus(channels, 4, weights_path=weights_path)
    state = net.encoder.state_dict()
    assert {*state} == {name for name in weights if not name.startswith("fc.")}
    first = "conv1.weight"
    assert all(torch.equal(state[name], weights[name]) for name in state if name != first)
    # An image of equal channels is seen as a grey image is seen in colour.
    assert state[first].shape == (64, channels, 7, 7)
    grey = torch.randn(1, 1, 16, 16)
    seen = torch.conv2d(grey.repeat(1, channels, 1, 1), state[first])
    if channels in (1, 3):
        torch.testing.assert_close(seen, torch.conv2d(grey.repeat(1, 3, 1, 1), weights[first]), rtol=1e-4, atol=1e-4)
    for channel in range(channels if channels > 1 else 0):
        torch.testing.assert_close(state[first][:, channel], weights[first][:, channel % 3] * 3 / channels)
    assert net.eval()(torch.zeros(1, channels, 32, 32)).shape == (1, 4, 32, 32)


def test_the_decoder_begins_at_random(weights_path):
    torch.manual_seed(0)
    net = UNetPlusPlus(1, 4, weights_path=weights_path)
    torch.manual_seed(0)
    plain = UNetPlusPlus(1, 4)
    assert torch.equal(
        net.decoder.state_dict()["blocks.x_0_0.conv1.0.weight"],
        plain.decoder.state_dict()["blocks.x_0_0.conv1.0.weight"],
    )


def test_a_file_of_another_network_is_refused(weights, tmp_path):
    torch.save({name.replace("layer4", "layer5"): value for name, value in weights.items()}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=r"^UNetPlusPlus: weights_path .* without 'layer4.* unknown 'layer5"):
        UNetPlusPlus(1, 4, weights_path=tmp_path / "w.pth")


def test_asked_for_imagenet_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"^UNetPlusPlus: encoder_weights=imagenet .*Give weights_path=") as caught:
        UNetPlusPlus(1, 4, encoder_weights="imagenet")
    assert "\n" not in str(caught.value)


def test_asked_for_imagenet_with_a_network(weights, weights_path, monkeypatch, tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({name: value for name, value in weights.items() if not name.startswith("fc.")}, path)
    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", lambda *_, **__: path)
    downloaded = UNetPlusPlus(4, 4, encoder_weights="imagenet").encoder.state_dict()
    local = UNetPlusPlus(4, 4, weights_path=weights_path).encoder.state_dict()
    assert all(torch.equal(downloaded[name], local[name]) for name in local)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder_weights": "image_net"}, "encoder_weights must be imagenet or null, got 'image_net'"),
        ({"encoder_weights": "imagenet", "weights_path": "w.pth"}, "the weights must have one source"),
        ({"dims": 3}, "dims must be 2, got 3"),
        ({"num_classes": 1}, "num_classes must be a whole number of at least 2"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=f"^UNetPlusPlus: {message}"):
        UNetPlusPlus(**{"in_channels": 1, "num_classes": 2, **arguments})
