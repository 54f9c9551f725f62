"""What a run's numbers can be traced to: code, packages and machine."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import mlseg

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "monai",
    "segmentation-models-pytorch",
    "timm",
    "nibabel",
    "hydra-core",
)


def describe_software() -> dict[str, Any]:
    """Versions of mlseg, Python and the packages that decide a number; git commit where there is one."""
    return {
        "mlseg": mlseg.__version__,
        "git_commit": find_commit(Path(mlseg.__file__).resolve().parent.parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def find_commit(folder: Path) -> str | None:
    """The commit that is checked out, with "-dirty" if files differ from it; None outside a checkout of mlseg."""
    if not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return f"{commit}-dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
