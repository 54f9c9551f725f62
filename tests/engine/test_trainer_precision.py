"""Training in half precision: what autocast sees, and how the loss scaler takes part."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mlseg.checks import RunError
from mlseg.engine.trainer import Trainer

MakeTrainer = Callable[..., Trainer]


def weights(trainer: Trainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.network.parameters()])


def test_bf16_trains_with_a_loss_in_float32(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlseg.engine.device._cpu_flags", lambda: frozenset({"amx_bf16"}))
    seen = set()

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        seen.add((logits.dtype, torch.is_autocast_enabled("cpu")))
        return nn.functional.cross_entropy(logits.float(), target)

    trainer = make_trainer(settings={"amp": "auto", "channels_last": "auto", "max_epochs": 4}, loss=loss)
    assert (trainer.compute.amp, trainer.compute.channels_last) == ("bf16", True)
    history = trainer.fit().history
    assert seen == {(torch.bfloat16, False)}
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert all(parameter.dtype == torch.float32 for parameter in trainer.network.parameters())


def test_with_a_scaler_training_learns_and_moves_to_one_without(make_trainer: MakeTrainer) -> None:
    def scale(trainer: Trainer, start: float) -> Trainer:
        trainer.scaler = torch.amp.GradScaler("cpu", init_scale=start, growth_interval=1000, backoff_factor=0.999)
        return trainer

    def steep(logits: Tensor, target: Tensor) -> Tensor:
        return 1e4 * nn.functional.cross_entropy(logits, target)

    plain = make_trainer(run="plain", settings={"clip_norm": 1.0, "accumulate_steps": 2})
    plain.fit()
    scaled = scale(make_trainer(run="scaled", settings={"clip_norm": 1.0, "accumulate_steps": 2}), 2.0**10)
    scaled.fit()
    torch.testing.assert_close(weights(scaled), weights(plain), rtol=1e-4, atol=1e-5)
    moved = make_trainer(run="scaled", settings={"clip_norm": 1.0, "accumulate_steps": 2, "max_epochs": 4})
    assert moved.fit().epoch == 4
    back = scale(make_trainer(run="plain", settings={"clip_norm": 1.0, "accumulate_steps": 2, "max_epochs": 4}), 2.0)
    assert back.fit().epoch == 4
    with pytest.raises(RunError, match=r"gradients must be finite, got infinity in all 3 updates"):
        scale(make_trainer(run="hopeless", loss=steep), 3.4e38).fit()
