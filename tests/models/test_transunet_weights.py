"""Weights of TransUNet's encoder: the original archive and timm's files fill every tensor, the right way round."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import nn

from mlseg.checks import ConfigError
from mlseg.models.transunet import TransUNet, resize_positions

UNITS, WIDTH, HEADS, HEAD_WIDTH, MLP, LAYERS = (3, 4, 9), 768, 12, 64, 3072, 12
UNUSED = {"cls", "head/kernel", "head/bias", "pre_logits/kernel", "pre_logits/bias"}
ADAPTED = {"conv_root/kernel", "Transformer/posembed_input/pos_embedding"}
ROOT = "patch_embed.backbone.stem.conv.weight"


def original_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the authors' R50+ViT-B_16.npz: kernels HWIO, group norms (1,1,1,C), heads apart."""
    shapes: dict[str, tuple[int, ...]] = {"cls": (1, 1, WIDTH), "conv_root/kernel": (7, 7, 3, 64)}

    def pair(name: str, *shape: int, first: str = "kernel", last: int = -1) -> None:
        shapes.update({f"{name}/{first}": shape, f"{name}/bias": shape[last:]})

    def group_norm(name: str, channels: int) -> None:
        shapes.update({f"{name}/{part}": (1, 1, 1, channels) for part in ("scale", "bias")})

    group_norm("gn_root", 64)
    before = 64
    for block, units in enumerate(UNITS, start=1):
        inner, outer = 64 * 2 ** (block - 1), 256 * 2 ** (block - 1)
        for unit in range(1, units + 1):
            name = f"block{block}/unit{unit}"
            convs = {"1": (1, 1, before, inner), "2": (3, 3, inner, inner), "3": (1, 1, inner, outer)}
            convs |= {"_proj": (1, 1, before, outer)} if unit == 1 else {}
            for suffix, shape in convs.items():
                shapes[f"{name}/conv{suffix}/kernel"] = shape
                group_norm(f"{name}/gn{suffix}", shape[-1])
            before = outer
    pair("embedding", 1, 1, before, WIDTH)
    shapes["Transformer/posembed_input/pos_embedding"] = (1, 1 + 14 * 14, WIDTH)
    for layer in range(LAYERS):
        name = f"Transformer/encoderblock_{layer}"
        pair(f"{name}/LayerNorm_0", WIDTH, first="scale")
        pair(f"{name}/LayerNorm_2", WIDTH, first="scale")
        pair(f"{name}/MlpBlock_3/Dense_0", WIDTH, MLP)
        pair(f"{name}/MlpBlock_3/Dense_1", MLP, WIDTH)
        for part in ("query", "key", "value"):
            pair(f"{name}/MultiHeadDotProductAttention_1/{part}", WIDTH, HEADS, HEAD_WIDTH, last=-2)
        pair(f"{name}/MultiHeadDotProductAttention_1/out", HEADS, HEAD_WIDTH, WIDTH)
    pair("Transformer/encoder_norm", WIDTH, first="scale")
    pair("pre_logits", WIDTH, WIDTH)
    pair("head", WIDTH, 10)
    return shapes


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = original_shapes().items()
    return {name: generator.standard_normal(shape, dtype=np.float32) * np.float32(0.02) for name, shape in shapes}


@pytest.fixture(scope="module")
def original(arrays, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "R50+ViT-B_16.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def loaded(original) -> TransUNet:
    return TransUNet(1, 4, image_size=(32, 40), weights_path=original).eval()


def fingerprint(values: np.ndarray | torch.Tensor) -> tuple[int, float]:
    values = np.asarray(values, dtype=np.float64)
    return values.size, round(float(values.sum()), 6)


def test_every_array_of_the_original_fills_a_tensor_and_every_tensor_is_filled(arrays, loaded):
    expected = sorted(fingerprint(value) for name, value in arrays.items() if name not in UNUSED | ADAPTED)
    assert len(set(expected)) == len(expected)
    found = []
    for name, value in loaded.encoder.state_dict().items():
        parts = value.chunk(3) if "qkv" in name else (value,)
        found += [] if name in (ROOT, "pos_embed") else [fingerprint(part) for part in parts]
    assert sorted(found) == expected


def test_kernels_of_the_original_are_turned_the_right_way(arrays, loaded):
    image = torch.randn(1, 64, 3, 3, generator=torch.Generator().manual_seed(0))
    kernel = torch.from_numpy(arrays["block1/unit2/conv2/kernel"])
    weight = loaded.encoder.patch_embed.backbone.stages[0].blocks[1].conv2.weight
    by_hand = torch.einsum("ihw,hwio->o", image[0], kernel)
    torch.testing.assert_close(torch.conv2d(image, weight).flatten(), by_hand, rtol=1e-4, atol=1e-5)
    colours = torch.from_numpy(arrays["conv_root/kernel"])
    torch.testing.assert_close(loaded.encoder.state_dict()[ROOT][:, 0], colours.sum(dim=2).permute(2, 0, 1))


def test_attention_and_mlp_of_the_original_by_hand(arrays, loaded):
    def array(name: str) -> torch.Tensor:
        return torch.from_numpy(arrays[f"Transformer/encoderblock_5/{name}"])

    block, attention, dense = loaded.encoder.blocks[5], "MultiHeadDotProductAttention_1", "MlpBlock_3/Dense_"
    tokens = torch.randn(1, 5, WIDTH, generator=torch.Generator().manual_seed(0))
    query, key, value = (
        torch.einsum("nld,dhk->nlhk", tokens, array(f"{attention}/{part}/kernel")) + array(f"{attention}/{part}/bias")
        for part in ("query", "key", "value")
    )
    weight = torch.einsum("nlhk,nmhk->nhlm", query, key).div(HEAD_WIDTH**0.5).softmax(dim=-1)
    mixed = torch.einsum("nhlm,nmhk->nlhk", weight, value)
    by_hand = torch.einsum("nlhk,hkd->nld", mixed, array(f"{attention}/out/kernel")) + array(f"{attention}/out/bias")
    torch.testing.assert_close(block.attn(tokens), by_hand, rtol=1e-4, atol=1e-5)
    inside = nn.functional.gelu(tokens @ array(f"{dense}0/kernel") + array(f"{dense}0/bias"))
    by_hand = inside @ array(f"{dense}1/kernel") + array(f"{dense}1/bias")
    torch.testing.assert_close(block.mlp(tokens), by_hand, rtol=1e-4, atol=1e-5)


def test_positions_of_the_original_are_resized_as_its_authors_do(arrays, loaded):
    grid = arrays["Transformer/posembed_input/pos_embedding"][0, 1:].reshape(14, 14, WIDTH)
    zoomed = scipy.ndimage.zoom(grid, (2 / 14, 3 / 14, 1), order=1)
    positions = loaded.encoder.pos_embed.detach().reshape(2, 3, WIDTH)
    torch.testing.assert_close(positions, torch.from_numpy(zoomed))


def test_weights_of_timm_fill_the_encoder_too(loaded, tmp_path):
    state = {name: value.half() for name, value in loaded.encoder.state_dict().items()}
    grid = resize_positions(loaded.encoder.pos_embed.detach(), (2, 3), (4, 4)).half()
    extra = {
        "cls_token": torch.zeros(1, 1, WIDTH),
        "head.weight": torch.zeros(2, WIDTH),
        "pre_logits.fc.bias": torch.zeros(1),
    }
    state[ROOT] = torch.stack([state[ROOT][:, 0] * share for share in (0.5, 0.25, 0.25)], dim=1)
    state["pos_embed"] = torch.cat([torch.zeros(1, 1, WIDTH).half(), grid], dim=1)
    torch.save(state | extra, tmp_path / "timm.pth")
    net = TransUNet(1, 4, image_size=(64, 64), weights_path=tmp_path / "timm.pth")
    assert torch.equal(net.encoder.pos_embed.half(), grid)
    wanted = loaded.encoder.state_dict()
    for name, value in net.encoder.state_dict().items():
        if name != "pos_embed":
            torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-4)


def test_a_larger_archive_is_refused(original):
    with zipfile.ZipFile(original, "a") as archive, archive.open("block4/unit1/conv1/kernel.npy", "w") as file:
        np.lib.format.write_array(file, np.zeros((1, 1, 2, 3), dtype=np.float32))
    with pytest.raises(ConfigError, match=r"^TransUNet: .*R50\+ViT-B_16.npz' \(\d+ numbers where R50.ViT-B_16 has"):
        TransUNet(1, 4, image_size=(32, 32), weights_path=original)


def test_an_archive_of_another_network_is_refused(arrays, tmp_path):
    plain = {name: value for name, value in arrays.items() if "posembed" in name or "encoder_norm" in name}
    np.savez(tmp_path / "ViT-B_16.npz", **plain)
    (tmp_path / "page.npz").write_bytes(b"<html>")
    for name in ("ViT-B_16.npz", "page.npz"):
        with pytest.raises(ConfigError, match=rf"^TransUNet: .*{name}' \(not the weights of R50\+ViT-B_16: .*Give"):
            TransUNet(1, 4, image_size=(32, 32), weights_path=tmp_path / name)
    with pytest.raises(ConfigError, match=r"^TransUNet: weights_path must be a file, got"):
        TransUNet(1, 4, image_size=(32, 32), weights_path=tmp_path / "none.npz")
