from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mlseg.checks import ConfigError, RunError
from mlseg.engine import keeper as module
from mlseg.engine.checkpoint import load_checkpoint
from mlseg.engine.trainer import Trainer
from mlseg.engine.validation import Validation

MakeTrainer = Callable[..., Trainer]


def weights(trainer: Trainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.network.parameters()])


def test_training_learns_and_keeps_both_checkpoints(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(settings={"max_epochs": 8})
    trainer.scheduler.step_size = 100  # type: ignore[attr-defined]
    progress = trainer.fit()
    losses = [record["loss"] for record in progress.history]
    assert losses[-1] < 0.5 * losses[0]
    assert progress.epoch == 8
    assert progress.step == 8 * 3
    best = load_checkpoint(trainer.run.best)
    assert best["score"] == max(record["dice"] for record in progress.history) == progress.best_score
    assert best["epoch"] == progress.best_epoch
    assert load_checkpoint(trainer.run.last)["progress"]["epoch"] == 8
    assert any(path.name.startswith("events") for path in (trainer.run.path / "tensorboard").iterdir())


def test_a_resumed_run_ends_in_the_same_bits(make_trainer: MakeTrainer) -> None:
    settings = {"max_epochs": 5, "accumulate_steps": 2, "clip_norm": 1.0}
    whole = make_trainer(run="whole", dropout=0.3, settings=settings)
    whole.fit()
    first = make_trainer(run="cut", dropout=0.3, settings={**settings, "max_epochs": 2})
    first.fit()
    torch.rand(100)  # what happens between the two parts must not matter
    second = make_trainer(run="cut", dropout=0.3, settings=settings)
    progress = second.fit()
    assert torch.equal(weights(whole), weights(second))
    assert [r["loss"] for r in progress.history] == [r["loss"] for r in whole.progress.history]
    assert progress.best_epoch == whole.progress.best_epoch
    # The comparison can fail: another seed ends elsewhere.
    other = make_trainer(run="other", dropout=0.3, settings=settings, seed=2)
    other.fit()
    assert not torch.equal(weights(whole), weights(other))


@pytest.mark.parametrize("cut", ["before last", "after last"])
def test_a_kill_between_best_and_last_ends_in_the_same_best(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    whole = make_trainer(run="whole", settings={"max_epochs": 3})
    whole.fit()
    trainer = make_trainer(run="cut", settings={"max_epochs": 3})
    real_save, real_settle = module.save_checkpoint, module.settle_best

    def save(path: Path, state: dict[str, Any]) -> None:
        if cut == "before last" and path == trainer.run.last and state["progress"]["epoch"] == 2:
            raise KeyboardInterrupt
        real_save(path, state)

    def settle(waiting: Path, best: Path, *, epoch: int) -> None:
        if cut == "after last" and trainer.progress.epoch == 2:
            raise KeyboardInterrupt
        real_settle(waiting, best, epoch=epoch)

    monkeypatch.setattr(module, "save_checkpoint", save)
    monkeypatch.setattr(module, "settle_best", settle)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    monkeypatch.undo()
    again = make_trainer(run="cut", settings={"max_epochs": 3})
    again.fit()
    assert again.progress.best_epoch == whole.progress.best_epoch
    best, expected = load_checkpoint(again.run.best), load_checkpoint(whole.run.best)
    assert best["epoch"] == again.progress.best_epoch
    assert all(torch.equal(best["network"][name], weight) for name, weight in expected["network"].items())
    assert not again.run.next_best.exists()


def test_fewer_epochs_than_are_trained_are_refused(make_trainer: MakeTrainer) -> None:
    make_trainer(settings={"max_epochs": 3}).fit()
    with pytest.raises(ConfigError, match=r"trainer.max_epochs: this run has 3 epochs already, got 2"):
        make_trainer(settings={"max_epochs": 2}).fit()


def test_each_session_says_where_it_computed(make_trainer: MakeTrainer) -> None:
    make_trainer(settings={"max_epochs": 1}).fit()
    sessions = make_trainer(settings={"max_epochs": 3}).fit().sessions
    assert [session["first_epoch"] for session in sessions] == [1, 2]
    assert sessions[0]["amp"] == "off"


def test_a_finished_run_is_left_as_it_is(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.fit()
    before = trainer.run.last.read_bytes()
    again = make_trainer()
    assert again.fit().epoch == 3
    assert trainer.run.last.read_bytes() == before
    assert torch.equal(weights(trainer), weights(again))


class OneBatch:
    """The slices of a list of cases as one batch, or cut into parts of two."""

    def __init__(self, loader: Any, parts: bool) -> None:
        batches = list(loader.epoch(0))
        image, target = torch.cat([b["image"] for b in batches]), torch.cat([b["target"] for b in batches])
        size = 2 if parts else len(image)
        pairs = zip(image.split(size), target.split(size), strict=True)
        self.batches = [
            {"image": i, "target": t, "case_id": ["c"] * len(i), "slice_index": [0] * len(i)} for i, t in pairs
        ]

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, epoch: int, *, start: int = 0) -> Any:
        return iter(self.batches[start:])


def test_accumulated_batches_equal_one_large_batch(make_trainer: MakeTrainer) -> None:
    template = make_trainer(run="template").loader
    results = []
    for parts in (False, True):
        trainer = make_trainer(
            run=f"parts{parts}", loader=OneBatch(template, parts), sgd=0.1, settings={"accumulate_steps": 6}
        )
        trainer.fit()
        assert trainer.progress.step == 3
        results.append(weights(trainer))
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-6)


def test_a_short_last_group_is_averaged_over_what_it_has(make_trainer: MakeTrainer) -> None:
    template = make_trainer(run="template").loader
    grouped = make_trainer(
        run="g", loader=OneBatch(template, True), sgd=0.1, settings={"accumulate_steps": 4, "max_epochs": 1}
    )
    loader = OneBatch(template, True)
    reference = make_trainer(run="r")
    optimizer, loss = torch.optim.SGD(reference.network.parameters(), lr=0.1), nn.CrossEntropyLoss()
    for group in (loader.batches[:4], loader.batches[4:]):
        optimizer.zero_grad()
        (sum(loss(reference.network(b["image"]), b["target"]) for b in group) / len(group)).backward()
        optimizer.step()
    grouped.fit()
    torch.testing.assert_close(weights(grouped), weights(reference), rtol=1e-5, atol=1e-6)


def test_clipping_bounds_the_step(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(sgd=1.0, settings={"clip_norm": 1e-3, "max_epochs": 1})
    before = weights(trainer)
    trainer.fit()
    assert 0 < (weights(trainer) - before).norm() <= 3 * 1e-3 * (1 + 1e-4)


def test_a_loss_that_is_not_finite_stops_the_run_before_its_checkpoint(make_trainer: MakeTrainer) -> None:
    good = make_trainer(settings={"max_epochs": 1})
    good.fit()
    bad = make_trainer()
    bad.loader.poison = 1  # type: ignore[attr-defined]
    with pytest.raises(RunError, match=r"must be finite, got nan at step 5 \(cases case\d"):
        bad.fit()
    assert load_checkpoint(good.run.last)["progress"]["epoch"] == 1


def test_nan_is_never_the_best(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([float("nan"), 0.25, float("nan")])

    def fake(*_: Any, **__: Any) -> Validation:
        return Validation(dice=next(scores), iou=0.0, ece=0.0, dice_per_label=())

    monkeypatch.setattr("mlseg.engine.trainer.validate", fake)
    progress = make_trainer().fit()
    assert (progress.best_epoch, progress.best_score) == (2, 0.25)


def test_without_validation_the_last_epoch_is_the_best(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ConfigError, match="needs validation cases"):
        make_trainer(cases=[])
    trainer = make_trainer(cases=[], checkpoint_score="last")
    assert trainer.fit().best_epoch == 3


def test_the_best_is_chosen_by_the_score_asked_for(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(checkpoint_score="iou")
    progress = trainer.fit()
    assert progress.best_score == max(record["iou"] for record in progress.history)
    assert load_checkpoint(trainer.run.best)["score_name"] == "iou"


def test_the_schedule_steps_once_per_epoch(make_trainer: MakeTrainer) -> None:
    rates = [record["lr"] for record in make_trainer(settings={"max_epochs": 5}).fit().history]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4])


def test_a_checkpoint_of_another_network_is_refused(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.fit()
    state = load_checkpoint(trainer.run.last)
    state["network"].popitem()
    state.pop("version")
    from mlseg.engine.checkpoint import save_checkpoint

    save_checkpoint(trainer.run.last, state)
    trainer.run.previous.unlink()
    with pytest.raises(RunError, match=r"last.pt: does not fit this run"):
        make_trainer().fit()
