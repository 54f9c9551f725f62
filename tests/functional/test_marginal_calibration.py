"""Average calibration error per image and class against loops over bins and voxels."""

from __future__ import annotations

import math

import pytest
import torch

from mlseg.functional.marginal_calibration import average_calibration_error


def loop_error(probs: list[float], hits: list[float], bins: int, soft: bool) -> float:
    """The error of one image and class, voxel by voxel."""
    members: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for i, p in enumerate(probs):
        if not soft:
            members[max(math.ceil(p * bins) - 1, 0)].append((1.0, i))
            continue
        centres = [(b + 0.5) / bins for b in range(bins)]
        for b, centre in enumerate(centres):
            share = max(0.0, 1 - abs(p - centre) * bins)
            if (b == 0 and p < centre) or (b == bins - 1 and p > centre):
                share = 1.0
            members[b].append((share, i))
    errors = []
    for member in members:
        mass = sum(share for share, _ in member)
        if mass >= 0.01:
            mean_p = sum(share * probs[i] for share, i in member) / mass
            mean_y = sum(share * hits[i] for share, i in member) / mass
            errors.append(abs(mean_p - mean_y))
    return sum(errors) / len(errors) if errors else 0.0


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("bins", [1, 5, 20])
@pytest.mark.parametrize("size", [(30,), (5, 6)])
def test_error_against_loops(soft, bins, size):
    generator = torch.Generator().manual_seed(0)
    probs = (2 * torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)).softmax(1)
    target = torch.randint(0, 3, (2, *size), generator=generator)
    weight = (torch.rand(2, *size, generator=generator) < 0.8).double()
    found = average_calibration_error(probs, target, weight, bins=bins, soft=soft)
    for n in range(2):
        kept = weight[n] > 0
        for k in range(3):
            values, hits = probs[n, k][kept].tolist(), (target[n] == k)[kept].double().tolist()
            assert found[n, k].item() == pytest.approx(loop_error(values, hits, bins, soft), rel=1e-9)


@pytest.mark.parametrize("soft", [False, True])
def test_certainty_at_both_ends(soft):
    probs = torch.tensor([[[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]], requires_grad=True)
    target = torch.tensor([[0, 0, 0]])
    errors = average_calibration_error(probs, target, torch.ones(1, 3), soft=soft)
    torch.testing.assert_close(errors, torch.tensor([[0.5, 0.5]]))
    errors.sum().backward()
    assert probs.grad.isfinite().all()


def test_hard_bins_hold_their_upper_edge():
    # 0.5 of 2 bins belongs to the lower one, so the two values share a bin and their errors cancel.
    probs = torch.tensor([[[0.5, 0.25]]]).expand(1, 2, 2)
    errors = average_calibration_error(probs, torch.tensor([[1, 0]]), torch.ones(1, 2), bins=2)
    torch.testing.assert_close(errors, torch.tensor([[0.125, 0.125]]))


def test_no_voxel_no_error():
    errors = average_calibration_error(torch.full((2, 2, 4), 0.5), torch.zeros(2, 4).long(), torch.zeros(2, 4))
    assert torch.equal(errors, torch.zeros(2, 2))


def test_millions_of_voxels_lose_no_digits():
    probs = torch.full((1, 2, 3_000_000), 0.9)
    errors = average_calibration_error(probs, torch.zeros(1, 3_000_000).long(), torch.ones(1, 3_000_000))
    torch.testing.assert_close(errors, torch.tensor([[0.1, 0.9]]), rtol=1e-5, atol=0)


def test_result_has_the_type_of_the_probabilities():
    errors = average_calibration_error(torch.full((1, 2, 4), 0.5), torch.zeros(1, 4).long(), torch.ones(1, 4))
    assert errors.dtype == torch.float32
