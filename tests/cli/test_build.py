"""What a composed configuration becomes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

import mlseg.cli.build as build_module
from mlseg.checks import ConfigError
from mlseg.cli.build import Data, build, build_data, build_optimizer, build_protocols
from mlseg.data.phantom import write_phantom_acdc
from mlseg.engine.device import choose_compute
from mlseg.engine.settings import TrainerSettings


def test_a_component_gets_its_arguments(compose) -> None:
    loss = build(compose("loss=mbls", "loss.margin=5").cfg.loss)
    assert (type(loss).__name__, loss.margin) == ("MbLSLoss", 5)


def test_the_constructors_own_message_is_kept() -> None:
    node = OmegaConf.create({"_target_": "mlseg.losses.mbls.MbLSLoss", "margin": -1})
    with pytest.raises(ConfigError, match=r"^MbLSLoss: margin must be"):
        build(node)


def test_a_wrong_argument_is_one_line() -> None:
    node = OmegaConf.create({"_target_": "mlseg.losses.mbls.MbLSLoss", "margn": 1})
    with pytest.raises(ConfigError, match="margn") as caught:
        build(node)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("scheduler", ["step", "cosine", "constant"])
def test_every_optimizer_goes_with_every_schedule(compose, optimizer: str, scheduler: str) -> None:
    cfg = compose(f"optimizer={optimizer}", f"scheduler={scheduler}", "optimizer.lr=0.5", "trainer.max_epochs=4").cfg
    parameter = torch.nn.Parameter(torch.ones(1))
    chosen, schedule = build_optimizer(cfg, [parameter])
    rates = []
    for _ in range(4):
        rates.append(chosen.param_groups[0]["lr"])
        parameter.grad = torch.ones(1)
        chosen.step()
        schedule.step()
    expected = {"step": [0.5] * 4, "constant": [0.5] * 4, "cosine": [0.5, 0.4267767, 0.25, 0.0732233]}
    assert rates == pytest.approx(expected[scheduler])


def test_the_headline_comes_first(compose) -> None:
    assert [p.name for p in build_protocols(compose().cfg)] == ["default", "paper"]
    assert [p.name for p in build_protocols(compose("evaluation=paper").cfg)] == ["paper", "default"]


def frames_of(data: Data, number: int) -> list[str]:
    """The frames of a patient, in order."""
    parts = (data.train, data.val, data.test)
    ids = [case.case_id for part in parts for case in part if case.subject_id == f"patient{number:03}"]
    return [case_id.partition("_")[2] for case_id in ids]


def test_only_the_subjects_of_the_split_are_prepared(compose, tmp_path: Path) -> None:
    root = write_phantom_acdc(tmp_path / "phantom", subjects=6, shape=(3, 32, 34))
    split = tmp_path / "split.json"
    split.write_text(
        '{"name": "mine", "train": ["patient001", "patient002"], "val": ["patient003"], "test": ["patient004"]}'
    )
    words = [f"data.root={root}", f"data.cache_dir={tmp_path / 'cache'}", "data.workers=1", f"data.split={split}"]
    data = build_data(compose("data=phantom", *words).cfg)
    assert [len(part) for part in (data.train, data.val, data.test)] == [4, 2, 2]
    assert {case.subject_id for case in data.train} == {"patient001", "patient002"}
    assert data.facts()["test"] == ["patient004"]
    cases = data.cases()
    assert list(cases) == [f"patient{n:03}_{frame}" for n in range(1, 5) for frame in frames_of(data, n)]
    assert cases["patient004_frame01"] == ["patient004", data.test.contents["patient004_frame01"]]
    assert len(list((tmp_path / "cache").glob("*/patient*"))) == 8


def test_without_validation_cases_the_last_epoch_is_the_best(compose, capsys) -> None:
    cfg = compose("data.split_fractions=[0.8,0,0.2]").cfg
    assert build_module.settle_checkpoint_score(cfg, 3) is cfg
    settled = build_module.settle_checkpoint_score(cfg, 0)
    assert (cfg.evaluation.checkpoint_score, settled.evaluation.checkpoint_score) == ("dice", "last")
    assert "no validation subjects" in capsys.readouterr().out


def test_slices_or_patches(compose, tmp_path: Path) -> None:
    root = write_phantom_acdc(tmp_path / "phantom", subjects=5, shape=(3, 40, 36))
    paths = (f"data.root={root}", f"data.cache_dir={tmp_path}", "data.split=random", "data.workers=1")
    compute = choose_compute(TrainerSettings(device="cpu", amp="off"))
    shapes = {}
    for dims, crop in ((2, "[16,16]"), (3, "[2,16,16]")):
        cfg = compose(*paths, f"data.dims={dims}", f"data.crop={crop}", "augment=light").cfg
        loader = build_module.build_loader(cfg, build_data(cfg).train, compute)
        shapes[dims] = next(loader.epoch(0))["image"].shape
        assert loader.augment.strengths["rotation_deg"] == 15
    assert (shapes[2], shapes[3]) == ((4, 1, 16, 16), (4, 1, 2, 16, 16))
