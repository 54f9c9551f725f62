"""What every loss promises, for each configs/loss/*.yaml in 2D and 3D with 2 and 4 classes."""

from __future__ import annotations

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

SIZES = {2: (2, 5, 6), 3: (2, 4, 3, 5)}
# Losses on raw logits rather than on probabilities or distances, by the stem of their YAML.
NOT_SHIFT_INVARIANT: set[str] = {"nacl"}

pytestmark = [
    pytest.mark.parametrize("dims", [2, 3], ids=["2D", "3D"]),
    pytest.mark.parametrize("classes", [2, 4], ids=["K2", "K4"]),
]


@pytest.fixture
def loss(compose_run, loss_name: str, dims: int, classes: int) -> nn.Module:
    config = compose_run(f"loss={loss_name}", "data=acdc", f"data.dims={dims}", f"data.num_classes={classes}")
    return instantiate(config.loss)


@pytest.fixture
def logits(dims: int, classes: int) -> Tensor:
    """Spread so far that margins of 10 are broken by many voxels but not by all."""
    n, *size = SIZES[dims]
    return 8 * torch.randn(n, classes, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def target(dims: int, classes: int) -> Tensor:
    return torch.randint(0, classes, SIZES[dims], generator=torch.Generator().manual_seed(1))


def gradient(loss: nn.Module, logits: Tensor, target: Tensor) -> Tensor:
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(logits, target), logits)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_scalar_of_the_type_of_the_logits(loss, logits, target, dtype):
    value = loss(logits.to(dtype), target)
    assert value.shape == ()
    assert value.dtype == dtype
    assert value.isfinite()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(loss, logits, target, dtype):
    half = logits.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(half.float(), target), rtol=0, atol=0)
    assert gradient(loss, half, target).dtype == dtype


def test_gradient_flows_to_every_voxel(loss, logits, target):
    found = gradient(loss, logits / 4, target)
    assert found.isfinite().all()
    assert (found.abs().sum(dim=1) > 0).all()


def test_gradient_agrees_with_finite_differences(loss, logits, target):
    small, labels = logits[:1, :, :3, :3].clone().requires_grad_(), target[:1, :3, :3]
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), (small,), eps=1e-6, atol=1e-7)


def test_a_shift_of_all_logits_of_a_voxel_changes_nothing(loss, loss_name, logits, target):
    if loss_name in NOT_SHIFT_INVARIANT:
        pytest.skip(f"{loss_name} looks at raw logits")
    shift = torch.randn(target.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).unsqueeze(1)
    torch.testing.assert_close(loss(logits + 5 * shift, target), loss(logits, target))
    found = gradient(loss, logits, target)
    assert found.sum(dim=1).abs().max() < 1e-12 * max(1.0, found.abs().max().item())


def test_ignored_voxels_do_not_matter(loss, logits, target):
    target[0, :2], target[-1, 0, 0] = loss.ignore_index, loss.ignore_index
    ignored = (target == loss.ignore_index).unsqueeze(1)
    value = loss(logits, target)
    torch.testing.assert_close(loss(torch.where(ignored, 50 - 3 * logits, logits), target), value, rtol=0, atol=0)
    assert not gradient(loss, logits, target).masked_select(ignored).any()


def test_an_ignored_half_batch_leaves_the_value_of_the_rest(loss, logits, target):
    value = loss(logits[:1], target[:1])
    target[1:] = loss.ignore_index
    torch.testing.assert_close(loss(logits, target), value)


def test_all_ignored_is_zero_with_zero_gradient(loss, logits, target):
    target.fill_(loss.ignore_index)
    assert loss(logits, target) == 0
    assert torch.equal(gradient(loss, logits, target), torch.zeros_like(logits))


@pytest.mark.parametrize("extreme", [1e4, -50.0])
def test_extreme_logits_stay_finite(loss, logits, target, extreme):
    spikes = torch.where(logits > 0, extreme, -extreme).float()
    spikes[0, 0] = 0
    assert loss(spikes, target).isfinite()
    assert gradient(loss, spikes, target).isfinite().all()


def test_terms_add_up_to_the_value(loss, logits, target):
    if not hasattr(loss, "terms"):
        pytest.skip("terms() is optional")
    target[0, 0] = loss.ignore_index
    value = loss(logits, target)
    terms = loss.terms()
    assert terms
    assert all(term.shape == () and not term.requires_grad for term in terms.values())
    torch.testing.assert_close(torch.stack(list(terms.values())).sum(), value)


def test_channels_last_gives_the_same_value_and_gradient(loss, logits, target, dims):
    layout = torch.channels_last if dims == 2 else torch.channels_last_3d
    last = logits.contiguous(memory_format=layout)
    torch.testing.assert_close(loss(last, target), loss(logits, target))
    torch.testing.assert_close(gradient(loss, last, target), gradient(loss, logits, target))


def test_deterministic_and_without_side_effects(loss, logits, target):
    before = logits.clone(), target.clone()
    logits.requires_grad_()
    values = [loss(logits, target) for _ in range(2)]
    assert torch.equal(*values)
    assert torch.equal(logits, before[0])
    assert torch.equal(target, before[1])


def test_any_integer_type_of_target(loss, logits, target):
    value = loss(logits, target)
    for dtype in (torch.uint8, torch.int16, torch.int32):
        assert torch.equal(loss(logits, target.to(dtype)), value)


def test_right_beats_undecided_beats_wrong(loss, logits, target):
    # Two halves: a loss that looks at neighbours has reason to doubt a map of noise.
    target[:, :2], target[:, 2:] = 0, 1
    onehot = torch.zeros_like(logits).scatter_(1, target.unsqueeze(1), 1.0)
    right, undecided, wrong = (loss(certainty * onehot, target) for certainty in (4.0, 0.0, -4.0))
    assert right < undecided < wrong


def test_a_step_against_the_gradient_lowers_the_loss(loss, logits, target):
    found = gradient(loss, logits, target)
    step = 1e-3 * found / found.norm()
    assert loss(logits - step, target) < loss(logits, target) < loss(logits + step, target)


def test_a_channel_axis_in_the_target_is_an_error(loss, logits, target):
    with pytest.raises(ValueError, match="channel axis"):
        loss(logits, target.unsqueeze(1))
