"""TransUNet: the encoder is timm's, the decoder is the published one, and the original weights fill every tensor."""

from __future__ import annotations

import pytest
import scipy.ndimage
import timm
import torch
from huggingface_hub import constants
from torch import nn

from mlseg.checks import ConfigError
from mlseg.models import transunet
from mlseg.models.transunet import TransUNet, resize_positions

WIDTH = 768


@pytest.fixture(scope="module")
def net() -> TransUNet:
    torch.manual_seed(0)
    return TransUNet(2, 3, image_size=(30, 48)).eval()


def test_the_encoder_is_timms(net):
    twin = timm.create_model(
        "vit_base_r50_s16_224", img_size=(32, 48), in_chans=2, num_classes=0, class_token=False, global_pool=""
    ).eval()
    twin.load_state_dict(net.encoder.state_dict())
    seen = []
    backbone = twin.patch_embed.backbone
    for module in (backbone.stages[1], backbone.stages[0], backbone.stem.norm):
        module.register_forward_hook(lambda _, __, output: seen.append(output))
    image = torch.randn(2, 2, 32, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        grid, skips = net._encode(image)
        tokens = twin.forward_features(image)
    torch.testing.assert_close(grid.flatten(2).transpose(1, 2), tokens)
    for skip, output in zip(skips, reversed(seen), strict=True):
        torch.testing.assert_close(skip, output)
    assert [(s.shape[1], *s.shape[2:]) for s in skips] == [(512, 4, 6), (256, 8, 12), (64, 16, 24)]


def test_the_decoder_is_the_published_one(net):
    convs = [m for part in (net.bottleneck, net.decoder, net.head) for m in part.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in convs] == [
        *((768, 512), (1024, 256), (256, 256), (512, 128), (128, 128), (192, 64), (64, 64), (64, 16), (16, 16)),
        (16, 3),
    ]
    assert {m.kernel_size for m in convs} == {(3, 3)}
    assert [m.bias is not None for m in convs] == [False] * 9 + [True]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == 9


def test_skips_follow_the_upsampled_map(net):
    seen = []
    hooks = [
        block.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output))) for block in net.decoder
    ]
    with torch.no_grad():
        net(image := torch.randn(1, 2, 32, 48, generator=torch.Generator().manual_seed(0)))
        grid, skips = net._encode(image)
        before = net.bottleneck(grid)
    for hook in hooks:
        hook.remove()
    for (joined, output), skip in zip(seen, (*skips, None), strict=True):
        size = (2 * before.shape[2], 2 * before.shape[3])
        up = nn.functional.interpolate(before, size=size, mode="bilinear", align_corners=True)
        torch.testing.assert_close(joined, up if skip is None else torch.cat([up, skip], dim=1))
        before = output


def test_dropout_is_in_the_embedding_and_the_mlp_only(net):
    block = net.encoder.blocks[0]
    rates = [
        net.encoder.pos_drop.p,
        block.mlp.drop1.p,
        block.mlp.drop2.p,
        block.attn.proj_drop.p,
        block.attn.attn_drop.p,
    ]
    assert rates == [0.1, 0.1, 0.1, 0.0, 0.0]
    assert not any(isinstance(module, nn.Dropout) and module.p == 0.1 for module in net.decoder.modules())


def test_any_size_that_the_patch_allows(net):
    assert net.encoder.pos_embed.shape == (1, 2 * 3, WIDTH)  # (30, 48) pixels, rounded up to the patch
    with torch.no_grad():
        assert net(torch.zeros(1, 2, 48, 16)).shape == (1, 3, 48, 16)


@pytest.mark.parametrize(("old", "new"), [((2, 3), (5, 4)), ((4, 4), (2, 2)), ((1, 1), (2, 3))])
def test_resized_positions_are_those_of_scipy(old, new):
    positions = torch.randn(1, old[0] * old[1], 6, generator=torch.Generator().manual_seed(0))
    grid = positions.reshape(*old, 6).numpy()
    zoomed = scipy.ndimage.zoom(grid, (new[0] / old[0], new[1] / old[1], 1), order=1, mode="nearest")
    resized = resize_positions(positions, old, new)
    torch.testing.assert_close(resized.reshape(*new, 6), torch.from_numpy(zoomed))
    assert resize_positions(positions, old, old) is positions


def test_asked_for_imagenet21k_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(transunet, "_build_encoder", lambda *_: nn.Identity())
    with pytest.raises(ConfigError, match=r"^TransUNet: encoder_weights=imagenet21k .*Give weights_path=") as caught:
        TransUNet(1, 4, encoder_weights="imagenet21k")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(32, 40), (32,), (32, 32, 32)])
def test_an_image_that_does_not_fit_names_the_patch(net, size):
    with pytest.raises(ConfigError, match=r"^TransUNet: .* multiples of the stride \(16, 16\), got"):
        net(torch.zeros(1, 2, *size))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder_weights": "imagenet"}, "encoder_weights must be imagenet21k or null, got 'imagenet'"),
        ({"encoder_weights": "imagenet21k", "weights_path": "w"}, "the weights must have one source"),
        ({"image_size": (32, 32, 32)}, r"image_size must be \(h,w\), got \[32, 32, 32\]"),
        ({"image_size": (0, 32)}, "image_size must be a list with each entry"),
        ({"dims": 3}, "dims must be 2, got 3"),
        ({"dropout": 1.5}, r"dropout must be a number in \[0, 1\]"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=f"^TransUNet: {message}"):
        TransUNet(**{"in_channels": 1, "num_classes": 2, **arguments})
