import pytest

from mlseg.checks import ConfigError
from mlseg.engine.settings import TrainerSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_epochs", 0),
        ("max_epochs", 1.5),
        ("accumulate_steps", 0),
        ("clip_norm", 0),
        ("image_every", -1),
        ("log_every", 0),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"TrainerSettings: {name} must be"):
        TrainerSettings(**{name: value})


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match="amp must be one of auto, bf16, fp16, off, got 'float8'"):
        TrainerSettings(amp="float8")
