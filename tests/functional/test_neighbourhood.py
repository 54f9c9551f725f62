"""Labels summed over the window of nearest neighbours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from mlseg.functional.neighbourhood import add_neighbours, encode_one_hot, normalise_shares


@pytest.mark.parametrize("size", [(), (5,), (4, 6), (3, 1, 4)])
@pytest.mark.parametrize("outside", ["nearest", "background"])
def test_window_against_loops(size, outside):
    shares = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = add_neighbours(shares, 0.3, outside=outside)
    background = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    for n, *voxel in np.ndindex(2, *size):
        expected = torch.zeros(3, dtype=torch.float64)
        for step in itertools.product((-1, 0, 1), repeat=len(size)):
            place = [v + s for v, s in zip(voxel, step, strict=True)]
            clamped = [min(max(p, 0), top - 1) for p, top in zip(place, size, strict=True)]
            inside = outside == "nearest" or place == clamped
            expected += 0.3 ** sum(map(abs, step)) * (shares[n, :, *clamped] if inside else background)
        torch.testing.assert_close(found[n, :, *voxel], expected)


def test_the_input_is_left_as_it_was():
    shares = torch.rand(1, 2, 4, 4)
    before = shares.clone()
    add_neighbours(shares, 1.0, outside="background")
    assert torch.equal(shares, before)


def test_one_hot_keeps_type_and_layout():
    like = torch.zeros(2, 4, 5, 6, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    target = torch.randint(0, 4, (2, 5, 6), generator=torch.Generator().manual_seed(0))
    weight = torch.ones(2, 5, 6, dtype=torch.float64)
    weight[0, 0] = 0
    one_hot = encode_one_hot(target, weight, like=like)
    assert one_hot.dtype == torch.float64
    assert one_hot.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(one_hot.sum(1), weight)
    assert torch.equal(one_hot.argmax(1)[weight > 0], target[weight > 0])


def test_shares_sum_to_one_where_there_are_any():
    shares = torch.rand(2, 3, 7, generator=torch.Generator().manual_seed(0))
    shares[0, :, 2] = 0
    sums = normalise_shares(shares).sum(1)
    assert sums[0, 2] == 0
    sums[0, 2] = 1
    torch.testing.assert_close(sums, torch.ones(2, 7))
