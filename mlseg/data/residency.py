"""Where prepared slices live while a network trains: on the device, in memory, or on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlseg.checks import ConfigError

if TYPE_CHECKING:
    import torch

RESIDENCIES = ("auto", "device", "memory", "disk")
# The rest of a GPU's memory is for weights and activations, the rest of RAM for everybody else.
DEVICE_SHARE = 0.25
MEMORY_SHARE = 0.5


def choose_residency(residency: str, needed: int, device: torch.device) -> tuple[str, str]:
    """Resolve "auto" and say why.

    Args:
        residency: one of RESIDENCIES.
        needed: bytes of all slices.

    Returns:
        The residency, and half a sentence for the user.
    """
    if residency not in RESIDENCIES:
        raise ConfigError(f"SliceLoader: residency must be {', '.join(RESIDENCIES)}, got {residency!r}. Write auto.")
    size = _describe(needed)
    if residency != "auto":
        return residency, f"{size}, as asked for"
    if device.type == "cuda":
        import torch

        free = torch.cuda.mem_get_info(device)[0]
        if needed <= DEVICE_SHARE * free:
            return "device", f"{size} of {_describe(free)} free on {device}"
    available = available_memory()
    if needed <= MEMORY_SHARE * available:
        return "memory", f"{size} of {_describe(available)} available"
    return "disk", f"{size} is more than {MEMORY_SHARE:.0%} of the {_describe(available)} of memory available"


def available_memory() -> int:
    """Bytes of RAM that this process may still take: the system's, or its container's limit if that is less.

    0 where neither can be found out, so that "auto" stays on disk.
    """
    system = 0
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        system = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        system = _physical_memory() // 2
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return system
    return max(0, min(system, limit - used))


def _physical_memory() -> int:
    import os

    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _describe(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
