"""Shapes, types and ignored voxels of every loss's inputs."""

from __future__ import annotations

import pytest
import torch

from mlseg.checks import ConfigError
from mlseg.losses.inputs import prepare_inputs


def prepare(logits, target, ignore_index=-100):
    return prepare_inputs("CELoss", logits, target=target, ignore_index=ignore_index)


HALF, SINGLE, DOUBLE = (torch.float16, torch.bfloat16), torch.float32, torch.float64


@pytest.mark.parametrize(
    ("given", "expected"), [*((half, SINGLE) for half in HALF), (SINGLE, SINGLE), (DOUBLE, DOUBLE)]
)
def test_logits_get_at_least_float32(given, expected):
    logits, _, _ = prepare(torch.zeros(1, 2, 3, dtype=given), torch.zeros(1, 3, dtype=torch.long))
    assert logits.dtype == expected


def test_float32_logits_are_not_copied():
    given = torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    logits, _, _ = prepare(given, torch.zeros(2, 4, 5, dtype=torch.long))
    assert logits is given


@pytest.mark.parametrize(
    ("dtype", "ignore_index"), [(torch.uint8, 255), (torch.int16, -1), (torch.int32, 7), (torch.int64, -100)]
)
def test_ignored_voxels_are_set_aside(dtype, ignore_index):
    target = torch.tensor([[1, ignore_index, 0]], dtype=dtype)
    _, safe, weight = prepare(torch.zeros(1, 2, 3, dtype=torch.float64), target, ignore_index)
    assert weight.tolist() == [[1.0, 0.0, 1.0]]
    assert weight.dtype == torch.float64
    assert safe.tolist() == [[1, 0, 0]]
    assert safe.dtype == torch.int64


def test_the_target_is_left_as_it_was():
    target = torch.tensor([[3, 255, 1]])
    _, safe, _ = prepare(torch.zeros(1, 4, 3), target, 255)
    assert target.tolist() == [[3, 255, 1]]
    assert safe.tolist() == [[3, 0, 1]]


@pytest.mark.parametrize(
    "target",
    [
        torch.zeros(2, 1, 4, 5, dtype=torch.long),
        torch.zeros(2, 4, 4, dtype=torch.long),
        torch.zeros(2, 4, 5),
        torch.zeros(2, 4, 5, dtype=torch.bool),
    ],
    ids=["channel axis", "size", "float", "bool"],
)
def test_a_wrong_target_is_named_with_its_remedy(target):
    with pytest.raises(ConfigError, match=r"^CELoss: target must hold .* \(2, 4, 5\), got .*\. Give integers"):
        prepare(torch.zeros(2, 3, 4, 5), target)


@pytest.mark.parametrize(
    "logits", [torch.zeros(2, 1, 4), torch.zeros(2, 3, 4, dtype=torch.long), torch.zeros(4)], ids=["K=1", "int", "1D"]
)
def test_wrong_logits_are_named_with_their_remedy(logits):
    with pytest.raises(ConfigError, match=r"^CELoss: logits must be .*, got .*\. Give one channel per class"):
        prepare(logits, torch.zeros(2, 4, dtype=torch.long))
