"""The Attention-UNet: its size, its layers, its gates by hand and its errors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlseg.checks import ConfigError
from mlseg.models.attunet import AttentionGate, AttUNet

SMALL = {"widths": (4, 8, 16), "strides": (2, 2)}


def test_as_large_as_the_authors():
    net = AttUNet(1, 4)
    assert sum(parameter.numel() for parameter in net.parameters()) == 34_877_616
    assert net.stride == (16, 16)


def test_layers_are_those_of_the_authors():
    net = AttUNet(1, 4, widths=(64, 128, 256), strides=(2, 2))

    def convs(module: nn.Module) -> list[tuple[int, int, int]]:
        return [(m.in_channels, m.out_channels, m.kernel_size[0]) for m in module.modules() if isinstance(m, nn.Conv2d)]

    assert convs(net.encoder) == [(1, 64, 3), (64, 64, 3), (64, 128, 3), (128, 128, 3), (128, 256, 3), (256, 256, 3)]
    assert convs(net.up) == [(256, 128, 3), (128, 64, 3)]
    assert convs(net.gates) == [(128, 64, 1), (128, 64, 1), (64, 1, 1), (64, 32, 1), (64, 32, 1), (32, 1, 1)]
    assert convs(net.decoder) == [(256, 128, 3), (128, 128, 3), (128, 64, 3), (64, 64, 3)]
    assert convs(net.head) == [(64, 4, 1)]
    assert all(m.bias is not None for m in net.modules() if isinstance(m, nn.Conv2d))
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert norms == sum(isinstance(m, nn.Conv2d) for m in net.modules()) - 1


def test_a_gate_by_hand():
    gate = AttentionGate(2, dims=2).eval()
    (u, u_norm), (v, v_norm), (w, w_norm, _) = gate.from_gate, gate.from_skip, gate.weigh
    assert u.out_channels == 1
    with torch.no_grad():
        for conv, weight, bias in ((u, [1.0, 2.0], 0.5), (v, [-1.0, 3.0], -1.0), (w, [2.0], -0.25)):
            conv.weight.copy_(torch.tensor(weight).reshape(conv.weight.shape))
            conv.bias.fill_(bias)
        for norm, mean in ((u_norm, 0.1), (v_norm, 0.2), (w_norm, 0.3)):
            norm.running_mean.fill_(mean)
            norm.eps = 0.0
    g, s = torch.randn(2, 1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    inside = (g[:, :1] + 2 * g[:, 1:] + 0.5 - 0.1) + (-s[:, :1] + 3 * s[:, 1:] - 1.0 - 0.2)
    weight = torch.sigmoid(2 * inside.clamp(min=0) - 0.25 - 0.3)
    torch.testing.assert_close(gate(g, s), weight * s)


def test_the_gate_is_the_level_below_and_the_skip_comes_first():
    net = AttUNet(1, 2, widths=(2, 3), strides=(2,)).eval()
    seen = []
    net.gates[0].register_forward_hook(lambda _, inputs, output: seen.append((*inputs, output)))
    net.decoder[0].register_forward_hook(lambda _, inputs, output: seen.append(inputs))
    image = torch.randn(1, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    net(image)
    (gate, skip, gated), (joined,) = seen
    finest = net.encoder[0](image)
    torch.testing.assert_close(skip, finest)
    below = net.encoder[1](nn.functional.max_pool2d(finest, 2))
    torch.testing.assert_close(gate, net.up[0](below.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)))
    torch.testing.assert_close(joined, torch.cat([gated, gate], dim=1))


def test_three_dimensions_with_a_stride_per_axis():
    net = AttUNet(2, 3, dims=3, widths=(2, 4, 8), strides=((1, 2, 2), 2))
    assert net.stride == (2, 4, 4)
    assert net(torch.randn(1, 2, 10, 8, 12)).shape == (1, 3, 10, 8, 12)


def test_a_width_of_one_has_a_gate():
    assert AttUNet(1, 2, widths=(1, 1), strides=(2,))(torch.randn(1, 1, 4, 4)).shape == (1, 2, 4, 4)


@pytest.mark.parametrize("size", [(8, 10), (8,), (8, 8, 8)])
def test_an_image_that_does_not_fit_names_the_stride(size):
    with pytest.raises(ConfigError, match=r"^AttUNet: .* multiples of the stride \(4, 4\), got .*\. Pad it"):
        AttUNet(1, 2, **SMALL)(torch.zeros(1, 1, *size))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strides": (2,)}, "strides must have one entry fewer than widths"),
        ({"widths": (4, 0, 8)}, "widths must be a list with each entry"),
        ({"dims": 1}, "dims must be a whole number in"),
        ({"in_channels": 0}, "in_channels must be a whole number of at least 1"),
        ({"num_classes": 1}, "num_classes must be a whole number of at least 2"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=f"^AttUNet: {message}"):
        AttUNet(**{"in_channels": 1, "num_classes": 2, **SMALL, **arguments})
