"""Classes and channels that a data set tells itself."""

from __future__ import annotations

from mlseg.cli.complete import FILLED, complete_config, find_dataset_problem, find_missing
from mlseg.cli.compose import compose_config


def test_a_data_set_tells_its_classes_and_channels(workplace):
    cfg = compose_config(["data=msd"]).cfg
    assert find_missing(cfg) == list(FILLED)
    completed = complete_config(cfg)
    assert (completed.data.num_classes, completed.data.in_channels) == (3, 2)
    assert completed.data.source.labels == ["background", "anterior", "posterior"]
    assert completed.data.source.channels == ["MRI", "CT"]
    assert (completed.model.num_classes, completed.evaluation.default.labels[1]) == (3, "anterior")
    assert completed.data.name == "Hippocampus"
    # compositions are shared
    assert cfg.data.num_classes is None


def test_what_is_given_stays(workplace, compose):
    cfg = compose("data=msd", "data.source.labels=[nothing,head,tail]", "data.name=mine").cfg
    assert (cfg.data.name, cfg.data.source.labels, cfg.data.num_classes) == ("mine", ["nothing", "head", "tail"], 3)
    whole = compose_config([]).cfg
    assert complete_config(whole) is whole


def test_what_cannot_be_read_stays_open_and_is_said_once(workplace, problems_of):
    (workplace / "data/raw/msd/dataset.json").unlink()
    cfg = compose_config(["data=msd"]).cfg
    assert complete_config(cfg).data.num_classes is None
    problem = find_dataset_problem({"root": "data/raw/msd", "source": {}})
    assert problem is not None
    assert problem.startswith("data/raw/msd/dataset.json: must exist")
    assert problems_of("data=msd") == [problem]
    (one,) = problems_of("data=msd", "data.root=/nowhere")
    assert one.startswith("data.root: no such folder '/nowhere'. Give data.root=/path/to/the/data")


def test_a_data_set_that_says_something_else_than_the_configuration(workplace, problems_of):
    (one,) = problems_of("data=msd", "data.num_classes=4")
    assert one.startswith("data.num_classes: must be the number of data.source.labels (3), got 4.")
    assert find_dataset_problem({"num_classes": 4, "in_channels": 1}) is None
