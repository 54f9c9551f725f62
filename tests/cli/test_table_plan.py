"""Which runs a table needs, and which are done."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mlseg.checks import ConfigError, RunError
from mlseg.cli import table_plan
from mlseg.cli.complete import complete_config
from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.naming import claim
from mlseg.cli.table_plan import PROFILES, TABLES, list_names, plan_table, read_named
from mlseg.cli.table_words import build_words, compose_words
from mlseg.records import read_json, write_json


@pytest.fixture
def plan(workplace, monkeypatch):
    monkeypatch.delenv("MLSEG_WEIGHTS", raising=False)

    def call(name="penalty", profile="paper", **options):
        with open_session("test"):
            return plan_table(name, profile, **options)

    return call


def finish(cell, seed, **changes):
    """Write what a finished run leaves."""
    cfg = complete_config(compose_config(cell.words).cfg.copy())
    cfg.seed = seed
    folder = cell.runs[seed]
    folder.mkdir(parents=True)
    for name in ("scores.csv", "run.json", "bins.npz", "views.npz"):
        (folder / name).write_text("")
    write_json(folder / "status.json", {"state": "done", "epoch": cfg.trainer.max_epochs})
    write_json(folder / "claim.json", {**claim(cfg), **changes})


@pytest.mark.parametrize("profile", list_names(PROFILES))
@pytest.mark.parametrize("name", list_names(TABLES))
def test_every_table_composes_under_every_profile(workplace, name, profile):
    table, settings = read_named(TABLES, name), read_named(PROFILES, profile)
    assert len(table["rows"]) >= 6
    assert all(first in table["rows"] and second in table["rows"] for first, second in table["pairs"])
    assert set(table.get("posthoc", {})) <= set(table["rows"])
    for row in table["rows"].values():
        words = build_words(table["data"][0], [*table["words"], *row], settings, [])
        expected = compose_config(words)
        with open_session("test"):
            found = compose_words(words)
        assert found.choices == expected.choices
        assert found.choices["data"] == table["data"][0]
        assert OmegaConf.to_container(found.cfg) == OmegaConf.to_container(expected.cfg)


def test_no_two_cells_share_a_run(plan):
    cells = plan("margin", "quick").cells
    assert len({path for cell in cells.values() for path in cell.runs.values()}) == len(cells) == 8


def test_the_paper_profile_is_the_authors_setting(plan):
    table, settings = read_named(TABLES, "main"), read_named(PROFILES, "paper")
    words = {
        (data, row): build_words(data, [*table["words"], *own], settings, [])
        for data in table["data"]
        for row, own in table["rows"].items()
    }
    assert set(words["acdc", "MbLS"]) == {"data=acdc", "evaluation=paper", "model=unet", "loss=mbls", "loss.margin=5"}
    assert "loss.gamma=2" in words["acdc", "FL"]
    assert "loss.alpha=0.3" in words["brats", "ECP"]
    assert not [word for word in words["mrbrains18", "FL"] if word.startswith("loss.")]
    cfg = compose_config(words["acdc", "MbLS"]).cfg
    assert (cfg.evaluation.checkpoint_score, cfg.trainer.max_epochs, cfg.optimizer.lr) == ("iou", 100, 1e-3)
    assert list(plan().cells["acdc", "linear, m = 5"].runs) == [1, 2, 3]


def test_what_is_done_is_not_missing(plan, monkeypatch):
    def read_less(group, name):
        found = read_named(group, name)
        rows = {"linear, m = 5": ["loss=mbls", "loss.margin=5"]}
        return {**found, "rows": rows, "data": ["acdc"]} if group == TABLES else found

    # Composing all cells takes seconds.
    monkeypatch.setattr(table_plan, "read_named", read_less)
    cell = plan().cells["acdc", "linear, m = 5"]
    assert cell.missing == (1, 2, 3)
    finish(cell, 2)
    again = plan().cells["acdc", "linear, m = 5"]
    assert again.missing == (1, 3)
    for name in ("scores.csv", "run.json", "bins.npz", "views.npz"):
        (cell.runs[2] / name).rename(cell.runs[2] / "away")
        assert 2 in plan().cells["acdc", "linear, m = 5"].missing
        (cell.runs[2] / "away").rename(cell.runs[2] / name)
    assert 2 not in plan().cells["acdc", "linear, m = 5"].missing


def test_a_directory_of_another_configuration_is_refused(plan):
    finish(plan().cells["acdc", "linear, m = 5"], 1, **{"data.batch_size": 7})
    with pytest.raises(RunError, match=r"data\.batch_size \(7 there, 4 in the table\)"):
        plan()


def test_missing_data_and_what_was_not_asked_for_say_so(plan, workplace):
    for folder in [*sorted((workplace / "data" / "raw" / "brats").glob("*")), workplace / "data" / "raw" / "brats"]:
        folder.rmdir()
    found = plan()
    assert found.cells["brats", "linear, m = 3"].reason == "no data at data/raw/brats"
    assert found.cells["acdc", "linear, m = 3"].reason == ""
    found = plan(data=("brats",))
    assert found.cells["acdc", "linear, m = 3"].reason == "not asked for"


def test_networks_without_their_weights_say_so(plan, monkeypatch, workplace):
    def read_less(group, name):
        found = read_named(group, name)
        return {**found, "data": ["acdc"]} if group == TABLES else found

    monkeypatch.setattr(table_plan, "read_named", read_less)
    cells = plan("backbones").cells
    assert cells["acdc", "UNet++, CE"].reason == "no weights at data/weights/resnet34.pth"
    assert cells["acdc", "UNet, CE"].reason == ""
    monkeypatch.setenv("MLSEG_WEIGHTS", "w")
    (workplace / "w").mkdir()
    (workplace / "w" / "resnet34.pth").write_text("")
    assert plan("backbones").cells["acdc", "UNet++, CE"].reason == ""


def test_the_quick_profile_keeps_to_phantoms_and_to_itself(plan):
    found = plan("backbones", "quick")
    assert {data for data, _ in found.cells} == {"acdc"}
    assert found.cells["acdc", "TransUNet, CE"].reason.startswith("105 million parameters")
    cell = found.cells["acdc", "UNet, CE"]
    assert "data.root=data/raw/phantom_quick/acdc" in cell.words
    assert Path("outputs/quick") in cell.runs[1].parents
    # There is no phantom yet, and that is no reason: it will be written.
    assert cell.reason == ""
    assert OmegaConf.select(compose_config(cell.words).cfg, "trainer.max_epochs") < 20


def test_words_for_every_run_and_other_seeds(plan):
    found = plan(seeds=(7,), extra=("data.split=random",))
    cell = found.cells["acdc", "linear, m = 3"]
    assert list(cell.runs) == [7]
    assert cell.words[-1] == "data.split=random"
    assert "split-random" in str(cell.runs[7])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "mian"}, r"table: must be one of .*main.* got 'mian'.* main"),
        ({"profile": "fast"}, "profile: must be one of .*paper, quick"),
        ({"data": ("adcd",)}, "data: must be some of"),
    ],
)
def test_wrong_names_are_refused(plan, options, said):
    with pytest.raises(ConfigError, match=said):
        plan(**options)


def test_finished_records_are_left_as_they_are(plan):
    cell = plan().cells["acdc", "linear, m = 5"]
    finish(cell, 1)
    before = read_json(cell.runs[1] / "claim.json")
    plan()
    assert read_json(cell.runs[1] / "claim.json") == before
