"""Weights from local files: every tensor is taken, or the error names the one that is not."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mlseg.checks import ConfigError
from mlseg.models.weights import load_strictly, read_state_dict, without


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def assert_same(state, other):
    assert state.keys() == other.keys()
    assert all(torch.equal(state[name], other[name]) for name in state)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
def test_what_torch_saved(net, tmp_path, wrap):
    torch.save(wrap({f"module.{name}": value for name, value in net.state_dict().items()}), tmp_path / "w.pth")
    assert_same(read_state_dict("Net", tmp_path / "w.pth"), net.state_dict())


def test_safetensors(net, tmp_path):
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    assert_same(read_state_dict("Net", str(tmp_path / "w.safetensors")), net.state_dict())


def test_there_is_no_such_file(tmp_path):
    with pytest.raises(ConfigError, match=r"^Net: weights_path must be a file, got '.*w.pth'\. .*weights_path=null"):
        read_state_dict("Net", tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_something_else(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(b"<html>404</html>" * 10)
    with pytest.raises(ConfigError, match=r"^Net: weights_path must be a file of named tensors .*\. Give another"):
        read_state_dict("Net", path)


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"a": 1}, {}, nn.Linear(1, 1)])
def test_no_named_tensors(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match="must be a file of named tensors") as caught:
        read_state_dict("Net", tmp_path / "w.pth")
    assert "\n" not in str(caught.value)


class Code:
    """What a malicious file holds: unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def test_code_in_a_file_is_not_run(net, tmp_path):
    torch.save({"state_dict": net.state_dict(), "more": Code(tmp_path / "run")}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match="must be a file of named tensors"):
        read_state_dict("Net", tmp_path / "w.pth")
    assert not (tmp_path / "run").exists()


def test_every_tensor_is_loaded(net):
    state = {
        name: torch.rand_like(value) if value.is_floating_point() else value + 1
        for name, value in net.state_dict().items()
    }
    load_strictly("Net", net, state, "w.pth")
    assert_same(net.state_dict(), state)


def test_counters_of_batch_norm_may_be_missing(net):
    state = without(net.state_dict(), ["1.num_batches_tracked"])
    assert len(state) == 6
    load_strictly("Net", net, {name: value + 1 for name, value in state.items()}, "w.pth")
    assert torch.equal(net[1].running_mean, torch.ones(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), "got 'w.pth' without '0.bias'"),
        (lambda s: [s.pop("0.bias"), s.pop("1.weight")], "without '0.bias' and 1 more"),
        (lambda s: s.update({"2.weight": torch.zeros(1)}), "with an unknown '2.weight'"),
        (lambda s: s.update({"1.bias": torch.zeros(3)}), r"with '1.bias' of shape \(3,\) instead of \(2,\)"),
        (lambda s: s.update({"2.weight": s.pop("0.bias")}), "without '0.bias' and with an unknown '2.weight'"),
    ],
)
def test_a_tensor_that_does_not_fit(net, change, message):
    before, state = {name: value.clone() for name, value in net.state_dict().items()}, net.state_dict()
    change(state)
    with pytest.raises(ConfigError, match=f"^Net: weights_path must hold its tensors and no others, .*{message}"):
        load_strictly("Net", net, state, "w.pth")
    assert_same(net.state_dict(), before)


def test_prefixes_are_left_out():
    state = {"fc.weight": torch.zeros(1), "fcn.weight": torch.ones(1)}
    assert list(without(state, ("fc.", "head."))) == ["fcn.weight"]
