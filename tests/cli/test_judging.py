"""The part of training and evaluation that must be the same."""

from __future__ import annotations

import torch
from torch import nn

from mlseg.cli.judging import hash_weights


def make_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2).to(torch.bfloat16))


def test_the_same_weights_have_the_same_hash_wherever_they_are():
    network, copy = make_network(), make_network(1)
    copy.load_state_dict(network.state_dict())
    assert hash_weights(network) == hash_weights(copy.to(memory_format=torch.channels_last))


def test_every_weight_and_every_running_mean_counts():
    network = make_network()
    before = hash_weights(network)
    for name, tensor in network.state_dict().items():
        tensor += 1
        assert hash_weights(network) != before, name
    before = hash_weights(network)
    network[0].bias.data[1] = torch.nextafter(network[0].bias.data[1], torch.tensor(9.0))
    assert hash_weights(network) != before


def test_the_same_bytes_in_another_form_are_other_weights():
    hashes = set()
    for weight in (torch.zeros(2, 3), torch.zeros(3, 2), torch.zeros(2, 3, dtype=torch.int32)):
        network = nn.Module()
        network.register_buffer("weight", weight)
        hashes.add(hash_weights(network))
    assert len(hashes) == 3
