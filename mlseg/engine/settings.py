"""The trainer's settings, torch-free so that a mistake in them is reported at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from mlseg.checks import ConfigError, check_arguments

AMP_CHOICES = ("auto", "bf16", "fp16", "off")


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """How a run is trained; configs/trainer/default.yaml explains each field.

    Raises:
        ConfigError: a value out of range or an unknown choice.
    """

    max_epochs: int = 100
    device: str = "auto"
    amp: str = "auto"
    channels_last: bool | Literal["auto"] = "auto"
    compile: bool = False
    accumulate_steps: int = 1
    clip_norm: float | None = None
    deterministic: bool = False
    log_every: int = 20
    image_every: int = 5
    progress: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        check_arguments(f"{type(self).__module__}.{type(self).__name__}", **asdict(self))
        if self.amp not in AMP_CHOICES:
            raise ConfigError(
                f"TrainerSettings: amp must be one of {', '.join(AMP_CHOICES)}, got {self.amp!r}. Choose one."
            )
