"""Logit distances, the share beyond a margin, and their histogram."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlseg.functional.margins import distance_excess, distance_histogram, logit_distances, share_beyond


@pytest.fixture
def logits() -> torch.Tensor:
    return 6 * torch.randn(3, 4, 7, 5, generator=torch.Generator().manual_seed(0))


def test_distances_agree_with_a_loop(logits):
    distances = logit_distances(logits)
    for n, h, w in np.ndindex(3, 7, 5):
        voxel = logits[n, :, h, w].tolist()
        expected = [max(voxel) - value for value in voxel]
        assert distances[n, :, h, w].tolist() == pytest.approx(expected, rel=1e-6)


def test_distances_keep_type_and_layout(logits):
    distances = logit_distances(logits.double().contiguous(memory_format=torch.channels_last))
    assert distances.dtype == torch.float64
    assert distances.is_contiguous(memory_format=torch.channels_last)


def test_gradient_of_the_sum_of_distances(logits):
    logits.requires_grad_()
    logit_distances(logits).sum().backward()
    winner = torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1.0)
    torch.testing.assert_close(logits.grad, 4 * winner - 1)


def test_tied_winners_share_the_gradient():
    logits = torch.tensor([[3.0, 3.0, 0.0]], requires_grad=True)
    logit_distances(logits)[0, 2].backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[0.5, 0.5, -1.0]]))


@pytest.mark.parametrize("margin", [0.0, 5.0, 100.0])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_excess_agrees_with_autograd(logits, margin, layout):
    # Rounded, so that there are ties for the winner, as in half precision.
    logits = logits.round().contiguous(memory_format=layout).requires_grad_()
    assert (logit_distances(logits) == 0).sum() > logits[:, 0].numel()
    results = distance_excess(logits, margin), (logit_distances(logits) - margin).relu()
    assert torch.equal(*results)
    assert results[0].is_contiguous(memory_format=layout)
    push = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad(result, logits, push)[0] for result in results]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)


def test_excess_at_the_margin_has_no_gradient():
    logits = torch.tensor([[10.0, 0.0, -1.0]], requires_grad=True)
    distance_excess(logits, 10.0).sum().backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[1.0, 0.0, -1.0]]))


def test_excess_can_be_differentiated_twice_and_used_twice(logits):
    small = logits[:1, :, :2, :2].double().requires_grad_()

    def twice(x):
        return distance_excess(x, 3.0).square() + distance_excess(2 * x, 5.0)

    assert torch.autograd.gradcheck(twice, (small,))
    assert torch.autograd.gradgradcheck(twice, (small,))


def test_share_beyond_agrees_with_the_distances(logits):
    for margin in (0.0, 5.0, 12.0, 100.0):
        expected = (logit_distances(logits) > margin).any(dim=1).float().mean()
        assert share_beyond(logits, margin) == expected
    assert 0 < share_beyond(logits, 12.0) < 1


def test_a_distance_equal_to_the_margin_is_allowed():
    assert share_beyond(torch.tensor([[0.0, 10.0]]), 10.0) == 0


def test_nan_logits_count_as_beyond():
    logits = torch.tensor([[0.0, float("nan")], [0.0, 1.0]])
    counts, _ = distance_histogram(logits, bins=4, high=8.0)
    assert share_beyond(logits, 10.0) == 0.5
    assert counts.tolist() == [2, 0, 0, 2]


def test_infinite_logits_fall_in_the_last_bin():
    counts, _ = distance_histogram(torch.tensor([[0.0, 1e38], [0.0, -float("inf")]]), bins=4, high=8.0)
    assert counts.tolist() == [2, 0, 0, 2]


def test_histogram_agrees_with_numpy(logits):
    counts, edges = distance_histogram(logits, bins=30, high=15.0)
    distances = logit_distances(logits).clamp(max=14.9).numpy()
    expected, expected_edges = np.histogram(distances, bins=30, range=(0.0, 15.0))
    assert counts.dtype == torch.int64
    np.testing.assert_array_equal(counts.numpy(), expected)
    np.testing.assert_allclose(edges.numpy(), expected_edges, rtol=1e-6)


def test_histogram_counts_every_distance_once(logits):
    for values in (logits, logits.bfloat16(), logits.double()):
        assert distance_histogram(values)[0].sum() == logits.numel()


def test_logging_functions_build_no_graph(logits):
    logits.requires_grad_()
    assert not share_beyond(logits, 1.0).requires_grad
    assert not distance_histogram(logits)[0].requires_grad
