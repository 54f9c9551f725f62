import pytest
import torch
from torch import nn

from mlseg.checks import ConfigError
from mlseg.engine import device as module
from mlseg.engine.device import choose_compute, full_float32
from mlseg.engine.settings import TrainerSettings


@pytest.mark.parametrize(("flags", "amp"), [({"avx2"}, "off"), ({"avx512_bf16"}, "bf16"), ({"amx_bf16"}, "bf16")])
def test_auto_takes_bf16_only_where_the_hardware_multiplies_it(
    flags: set[str], amp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_cpu_flags", lambda: frozenset(flags))
    compute = choose_compute(TrainerSettings(device="cpu"))
    assert compute.amp == amp
    assert compute.channels_last == (amp == "bf16")


def test_emulated_bf16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cpu_flags", lambda: frozenset({"avx2"}))
    with pytest.raises(ConfigError, match="bf16 is emulated"):
        choose_compute(TrainerSettings(device="cpu", amp="bf16"))


def test_fp16_needs_a_gpu() -> None:
    with pytest.raises(ConfigError, match="fp16 needs a CUDA GPU"):
        choose_compute(TrainerSettings(device="cpu", amp="fp16"))


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.device"):
        choose_compute(TrainerSettings(device="cuda:99"))
    with pytest.raises(ConfigError, match=r"must be auto, cpu, cuda or cuda:N, got 'mps'"):
        choose_compute(TrainerSettings(device="mps"))
    with pytest.raises(ConfigError, match=r"must be auto, cpu, cuda or cuda:N, got 'gpu'"):
        choose_compute(TrainerSettings(device="gpu"))


def test_channels_last_orders_2d_networks_and_images() -> None:
    compute = choose_compute(TrainerSettings(device="cpu", amp="off", channels_last=True))
    convolution = compute.place(nn.Conv2d(3, 4, 3))
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
    assert compute.arrange(torch.zeros(2, 3, 8, 8)).is_contiguous(memory_format=torch.channels_last)
    assert compute.place(nn.Conv3d(3, 4, 3)).weight.is_contiguous()


def test_autocast_follows_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = choose_compute(TrainerSettings(device="cpu", amp="off"))
    layer, image = nn.Linear(4, 4), torch.zeros(1, 4)
    with compute.autocast():
        assert layer(image).dtype == torch.float32
    monkeypatch.setattr(module, "_cpu_flags", lambda: frozenset({"avx2"}))
    with pytest.raises(ConfigError, match="bf16 is emulated"):
        compute.in_precision("bf16")
    monkeypatch.setattr(module, "_cpu_flags", lambda: frozenset({"amx_bf16"}))
    with compute.in_precision("bf16").autocast():
        assert layer(image).dtype == torch.bfloat16


def test_full_float32_is_undone() -> None:
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    with full_float32():
        assert not torch.backends.cudnn.allow_tf32
    assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == before
