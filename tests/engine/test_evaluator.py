from pathlib import Path
from typing import Any

import pytest
import torch

from mlseg.checks import RunError
from mlseg.engine.checkpoint import save_checkpoint
from mlseg.engine.device import choose_compute
from mlseg.engine.evaluator import evaluate, load_best, load_weights
from mlseg.engine.inference import Inference
from mlseg.engine.run_directory import RunDirectory
from mlseg.engine.settings import TrainerSettings
from mlseg.functional.bins_file import read_bins
from mlseg.functional.calibration import count_bins
from mlseg.functional.views_file import read_views
from mlseg.records import Score, read_scores
from mlseg.types import CasePrediction, CaseScores

COMPUTE = choose_compute(TrainerSettings(device="cpu", amp="off"))
INFERENCE = Inference(compute=COMPUTE, crop=(8, 8))


class Shapes:
    """A protocol that scores the number of voxels it is shown."""

    def __init__(self, name: str, grid: str) -> None:
        self.name, self.grid = name, grid

    def score_case(self, prediction: CasePrediction) -> CaseScores:
        assert not torch.backends.cudnn.allow_tf32
        facts: dict[str, Any] = {"frame": prediction.frame, "group": prediction.group, "unit": "1", "n": 1}
        ids = {"subject_id": prediction.subject_id, "case_id": prediction.case_id}
        value = float(prediction.target.numel())
        row = Score(evaluation=self.name, label="all", region="image", metric="voxels", value=value, **ids, **facts)
        return CaseScores(rows=[row], bins={("image", "all"): count_bins(prediction.probs, prediction.target)})


def test_every_case_is_judged_by_every_protocol_on_its_grid(tmp_path: Path, tiny_network: Any, make_case: Any) -> None:
    cases, run = [make_case(0), make_case(1, depth=2)], RunDirectory(tmp_path)
    protocols = [Shapes("default", "native"), Shapes("paper", "crop")]
    rows = evaluate(tiny_network(), cases, protocols=protocols, inference=INFERENCE, run=run, show_progress=False)
    expected = [("case0", "default", 768), ("case0", "paper", 192), ("case1", "default", 512), ("case1", "paper", 128)]
    assert [(row.case_id, row.evaluation, row.value) for row in rows] == expected
    assert read_scores(run.scores) == rows
    assert {case_id: view.target.shape for case_id, view in read_views(run.views).items()} == {
        "case0": (16, 16),
        "case1": (16, 16),
    }
    bins = read_bins(run.bins)
    assert {tuple(key) for key in bins} == {
        (e, "image", "all", c) for e in ("default", "paper") for c in ("case0", "case1")
    }
    assert bins[("default", "image", "all", "case0")].voxels == 768  # type: ignore[index]


def test_without_a_native_protocol_the_crop_is_what_is_shown(tmp_path: Path, tiny_network: Any, make_case: Any) -> None:
    run, case = RunDirectory(tmp_path), make_case(0)
    evaluate(tiny_network(), [case], protocols=[Shapes("a", "crop")], inference=INFERENCE, run=run, show_progress=False)
    view = read_views(run.views)["case0"]
    assert view.target.tolist() == case.target[view.slice_index, 4:12, 4:12].tolist()
    assert view.image is not None
    assert view.image.shape == (8, 8)


def test_the_network_is_judged_in_eval_mode(tmp_path: Path, tiny_network: Any, make_case: Any) -> None:
    network = tiny_network(dropout=0.9).train()
    run = RunDirectory(tmp_path)
    evaluate(
        network, [make_case(0)], protocols=[Shapes("a", "crop")], inference=INFERENCE, run=run, show_progress=False
    )
    assert not network.training


def test_a_network_that_gives_nan_is_an_error_that_names_the_case(
    tmp_path: Path, tiny_network: Any, make_case: Any
) -> None:
    network = tiny_network()
    torch.nn.init.constant_(network.layers[0].weight, float("nan"))
    with pytest.raises(RunError, match="must be finite, got NaN or infinity for case case0"):
        evaluate(
            network,
            [make_case(0)],
            protocols=[Shapes("a", "crop")],
            inference=INFERENCE,
            run=RunDirectory(tmp_path),
            show_progress=False,
        )
    assert not (tmp_path / "scores.csv").exists()


def test_the_best_weights_are_loaded(tmp_path: Path, tiny_network: Any, make_case: Any) -> None:
    run, trained, fresh = RunDirectory(tmp_path), tiny_network(), tiny_network()
    with pytest.raises(RunError, match="validation score was undefined in every epoch"):
        load_best(fresh, run, epoch=0)
    with pytest.raises(RunError, match=r"best\.pt: not there, though the run wrote it"):
        load_best(fresh, run, epoch=7)
    save_checkpoint(run.best, {"network": trained.state_dict(), "epoch": 7})
    load_best(fresh, run, epoch=7)
    assert torch.equal(fresh.layers[0].weight, trained.layers[0].weight)
    with pytest.raises(RunError, match=r"best\.pt: must be from epoch 5, got 7"):
        load_best(fresh, run, epoch=5)
    save_checkpoint(run.best, {"network": {"layers.0.weight": torch.zeros(1)}, "epoch": 7})
    with pytest.raises(RunError, match="does not fit the network"):
        load_best(fresh, run, epoch=7)


def test_any_checkpoint_can_be_loaded(tmp_path: Path, tiny_network: Any) -> None:
    trained, fresh, path = tiny_network(), tiny_network(), tmp_path / "last.pt"
    save_checkpoint(path, {"network": trained.state_dict(), "progress": {"epoch": 9}})
    assert load_weights(fresh, path) == 9
    assert torch.equal(fresh.layers[0].weight, trained.layers[0].weight)
    save_checkpoint(path, {"network": trained.state_dict(), "epoch": 4})
    assert load_weights(fresh, path) == 4
    with pytest.raises(RunError, match=r"last\.pt: must be from epoch 5, got 4\. Give another\."):
        load_weights(fresh, path, epoch=5, remedy="Give another.")
    save_checkpoint(path, {"progress": {"epoch": 9}})
    with pytest.raises(RunError, match=r"does not fit the network .* Give another\."):
        load_weights(fresh, path, remedy="Give another.")
    path.write_text("")
    with pytest.raises(RunError, match=r"not a readable checkpoint .* Give another\."):
        load_weights(fresh, path, remedy="Give another.")


def test_weights_of_another_kind_or_not_finite_are_refused(tmp_path: Path, tiny_network: Any) -> None:
    network, path = tiny_network(), tmp_path / "x.pt"
    weights = network.state_dict()
    spoilt = {name: value * float("nan") for name, value in weights.items()}
    for state, message in (
        ({"network": 3, "epoch": 1}, "does not fit the network"),
        ({"network": weights, "epoch": "one"}, "does not fit the network"),
        ({"network": weights, "progress": 7}, "does not fit the network"),
        ({"network": spoilt, "epoch": 1}, r"all weights must be finite, got NaN or infinity in \S+\. Give another"),
    ):
        save_checkpoint(path, state)
        with pytest.raises(RunError, match=message):
            load_weights(network, path, remedy="Give another.")
