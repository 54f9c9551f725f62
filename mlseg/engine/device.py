"""Where a run computes and in which precision: chosen once, recorded in run.json."""

from __future__ import annotations

import contextlib
import dataclasses
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mlseg.checks import ConfigError
from mlseg.engine.settings import TrainerSettings

AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "off": None}


@dataclass(frozen=True, kw_only=True)
class Compute:
    """A device with the precision and memory order of its images.

    Args:
        device: where tensors live.
        amp: "bf16", "fp16" or "off".
        channels_last: whether images and weights are stored channels-last.
    """

    device: torch.device
    amp: str
    channels_last: bool

    @property
    def needs_scaler(self) -> bool:
        """True where small gradients would underflow (fp16)."""
        return self.amp == "fp16"

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Mixed precision for the network's forward pass; the loss stays outside."""
        dtype = AMP_DTYPES[self.amp]
        return contextlib.nullcontext() if dtype is None else torch.autocast(self.device.type, dtype)

    def in_precision(self, precision: str) -> Compute:
        """The same device for evaluation in "float32" or "bf16". Raises ConfigError where bf16 is emulated."""
        if precision == "bf16" and not _multiplies_bf16(self.device):
            raise ConfigError(
                f"evaluation.precision: bf16 is emulated on this {self.device.type}. Use evaluation.precision=float32."
            )
        return dataclasses.replace(self, amp={"float32": "off", "bf16": "bf16"}[precision])

    def describe(self) -> dict[str, Any]:
        """What run.json records."""
        return {"device": describe_device(self.device), "amp": self.amp, "channels_last": self.channels_last}

    def place(self, module: nn.Module) -> nn.Module:
        """Move a network to the device and into the memory order."""
        module = module.to(self.device)
        is_2d = all(parameter.dim() <= 4 for parameter in module.parameters())
        return module.to(memory_format=torch.channels_last) if self.channels_last and is_2d else module

    def arrange(self, image: torch.Tensor) -> torch.Tensor:
        """Move an image batch (N,C,*S) to the device and into the memory order."""
        order = torch.channels_last if self.channels_last and image.dim() == 4 else torch.contiguous_format
        return image.to(self.device, non_blocking=True).contiguous(memory_format=order)


def choose_compute(settings: TrainerSettings, *, local_rank: int | None = None) -> Compute:
    """Resolve `auto` settings on this machine.

    Args:
        local_rank: of several processes on this machine, which one this is: each takes a GPU of its own.

    Raises:
        ConfigError: a device that is not there, or a precision that it does not have.
    """
    name = settings.device
    if local_rank is not None and name in ("auto", "cuda") and torch.cuda.is_available():
        name = f"cuda:{local_rank}"
        torch.cuda.set_device(_choose_device(name))
    device = _choose_device(name)
    amp = _choose_amp(settings.amp, device)
    channels_last = settings.channels_last
    if channels_last == "auto":
        # On CPUs float32 convolutions are as fast in the plain order; bf16 ones are not.
        channels_last = device.type == "cuda" or (device.type == "cpu" and amp == "bf16")
    return Compute(device=device, amp=amp, channels_last=bool(channels_last))


def _choose_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"trainer.device: must be auto, cpu, cuda or cuda:N, got {name!r}. Choose one.") from error
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if not torch.cuda.is_available() or (device.index or 0) >= count:
            raise ConfigError(
                f"trainer.device: {name!r} is not there ({count} GPUs found). Use trainer.device=auto or cpu."
            )
    if device.type not in ("cuda", "cpu"):  # "mps" has no float64, in which losses and scores are added up
        raise ConfigError(f"trainer.device: must be auto, cpu, cuda or cuda:N, got {name!r}. Choose one.")
    return device


def _choose_amp(name: str, device: torch.device) -> str:
    has_bf16 = _multiplies_bf16(device)
    if name == "auto":
        if has_bf16:
            return "bf16"
        return "fp16" if device.type == "cuda" else "off"
    if name == "bf16" and not has_bf16:
        raise ConfigError(
            f"trainer.amp: bf16 is emulated, many times slower, on this {device.type}. Use trainer.amp=auto or off."
        )
    if name == "fp16" and device.type != "cuda":
        raise ConfigError(f"trainer.amp: fp16 needs a CUDA GPU, got {device.type}. Use trainer.amp=auto or off.")
    return name


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        flags = _cpu_flags()
        return bool(flags & {"amx_bf16", "avx512_bf16"})
    return False


def _cpu_flags() -> frozenset[str]:
    """The instruction sets that the kernel reports; empty where there is no /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return frozenset(line.partition(":")[2].split())


def describe_device(device: torch.device) -> str:
    """The device in words for run.json."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.processor() or platform.machine()} with {torch.get_num_threads()} threads"


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Convolutions in true float32 on GPUs (no TF32), for numbers that are published."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])
