"""The configuration of a run as the base that words are laid over."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from mlseg.checks import ConfigError
from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.judged_run import read_run
from mlseg.cli.run_base import build_base, find_added, find_base


@pytest.fixture
def lay(workplace):
    """`lay("run=x", "evaluation=paper")` composes the words over their run."""

    def call(*words: str) -> dict:
        with open_session("mlseg-evaluate"):
            cfg = compose_config(words, config_name=find_base(words)).cfg
        return OmegaConf.to_container(cfg, resolve=True)

    return call


def test_without_words_all_is_as_the_run_had_it(make_run, lay):
    folder = make_run(
        changes={"evaluation.default.bins": 20, "evaluation.inference": "window", "trainer.device": "cpu"}
    )
    config, tree = read_run(str(folder)).config, lay("run=run")
    assert {part: tree[part] for part in ("data", "model", "evaluation")} == {
        part: config[part] for part in ("data", "model", "evaluation")
    }
    assert tree["trainer"] == {"device": "cpu", "amp": "auto", "channels_last": "auto", "deterministic": False}
    assert (tree["run"], tree["part"], tree["checkpoint"], tree["split"]) == ("run", "test", "best", None)


def test_a_word_changes_what_it_says_and_nothing_else(make_run, lay):
    make_run(changes={"evaluation.default.bins": 20, "evaluation.inference": "window"})
    before, tree = lay("run=run"), lay("run=run", "evaluation.default.tolerance_mm=1.0", "part=val")
    assert tree["part"] == "val"
    assert tree["evaluation"]["default"] == {**before["evaluation"]["default"], "tolerance_mm": 1.0}
    assert (tree["evaluation"]["default"]["bins"], tree["evaluation"]["inference"]) == (20, "window")


def test_a_choice_takes_the_place_of_the_runs(make_run, lay):
    make_run(changes={"evaluation.default.bins": 20})
    tree = lay("run=run", "evaluation=paper")
    assert tree["evaluation"]["protocols"] == ["paper", "default"]
    assert tree["evaluation"]["default"]["bins"] == 15
    assert tree["evaluation"]["default"]["labels"] == ["background", "RV", "Myo", "LV"]


def test_data_that_moved_has_moved_for_the_source_too(make_run, lay):
    make_run()
    tree = lay("run=run", "data.root=elsewhere")
    assert (tree["data"]["root"], tree["data"]["source"]["root"]) == ("elsewhere", "elsewhere")


def test_a_source_of_its_own_place_stays_there(make_run, lay):
    make_run(changes={"data.source.root": "own"})
    assert lay("run=run", "data.root=elsewhere")["data"]["source"]["root"] == "own"


def test_what_follows_another_setting_goes_on_following_it(make_run, lay):
    make_run()
    tree = lay("run=run", "evaluation.default.bins=10")
    assert tree["evaluation"]["merged"]["bins"] == 10


def test_a_run_of_an_older_version_gets_what_it_could_not_have(make_run, lay):
    folder = make_run(changes={"evaluation.merged": None, "evaluation.precision": None, "data.folds": None})
    run = read_run(str(folder))
    assert {"evaluation.merged._target_", "evaluation.precision", "data.folds"} <= set(find_added(run))
    tree = lay("run=run", "evaluation.protocols=[default,merged]")
    assert tree["evaluation"]["precision"] == "float32"
    assert tree["evaluation"]["merged"]["merged"] == tree["data"]["merged_labels"]


def test_how_the_data_is_prepared_is_not_taken_from_a_newer_version(make_run, lay):
    folder = make_run(changes={"data.clip_percentiles": None, "data.spacing_mm": None})
    assert find_added(read_run(str(folder))) == []
    assert not {"clip_percentiles", "spacing_mm"} & set(lay("run=run")["data"])


def test_arguments_of_components_are_left_to_their_constructors(make_run):
    run = read_run(str(make_run(changes={"evaluation.default.boundary_mm": None, "data.source.orientation": None})))
    assert find_added(run) == []
    assert "boundary_mm" not in build_base(run)["evaluation"]["default"]


def test_a_run_with_a_data_set_that_is_not_shipped_any_more(make_run, lay):
    folder = make_run(state="running", changes={"data.name": "gone", "data.folds": None})
    assert "data.folds" not in find_added(read_run(str(folder)))
    assert lay("run=run")["data"]["name"] == "gone"


@pytest.mark.parametrize(
    "word",
    [
        *("loss=ce", "loss.margin=5", "+loss.extra=1", "data=acdc", "data.crop=[9,9]", "+data.extra=1", "seed=2"),
        *("model.norm=batch", "experiment=demo", "optimizer=adamw", "trainer.max_epochs=9", "trainer.amp=off"),
    ],
)
def test_what_would_make_it_another_run_is_refused(make_run, lay, word):
    make_run("loss=mbls")
    with pytest.raises(
        ConfigError, match=r"must be left to the run.*What can be changed: evaluation, data\.root"
    ) as error:
        lay("run=run", word)
    assert str(error.value).startswith(f"{word}: ")
    assert "\n" not in str(error.value)


def test_the_score_that_chose_the_epoch_is_history(make_run, lay):
    make_run()
    with pytest.raises(ConfigError, match=r"evaluation\.checkpoint_score: must be left to the run.*checkpoint=last"):
        lay("run=run", "evaluation.checkpoint_score=iou")


def test_settings_need_a_run(lay):
    assert lay("part=val")["run"] is None
    with pytest.raises(ConfigError, match=r"evaluation\.default\.bins=20: must be a setting of a run, got no run"):
        lay("evaluation.default.bins=20")
