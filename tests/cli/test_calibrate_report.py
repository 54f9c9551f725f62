"""What is shown of a calibration."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from mlseg.cli.calibrate_report import list_facts, list_folds, list_notes, print_calibration
from mlseg.engine.calibration_fit import Calibration
from mlseg.engine.calibrator import Calibrator
from mlseg.functional.posthoc import PosthocFit

LABELS = ("background", "LV")


@pytest.fixture
def make():
    def call(method: str = "temperature", parameters=None, folds=None, note: str = "", **after) -> Calibration:
        parameters = parameters or {"temperature": 1.5}
        before = {("nll", "image"): 0.2, ("nll", "foreground"): 0.8, ("ece", "image"): 0.02, ("dice", "image"): 0.9}
        changed = {**before, ("nll", "image"): 0.1, **{tuple(key.split("_")): value for key, value in after.items()}}
        return Calibration(
            calibrator=Calibrator(method, parameters, labels=LABELS),
            fit=PosthocFit(
                parameters=parameters, nll=0.11, gradient=2e-12, iterations=1, converged=not note, note=note
            ),
            nll_before=0.21,
            folds={("a",): {"temperature": 1.4}, ("b",): {"temperature": 1.7}} if folds is None else folds,
            before=before,
            after=changed,
            voxels=100,
            seen=500,
        )

    return call


def show(found: Calibration, region: str = "image") -> str:
    out = io.StringIO()
    print_calibration(found, region=region, console=Console(file=out, width=80, highlight=False))
    return out.getvalue()


def test_the_table_has_every_score_before_and_after(make):
    lines = [line.split() for line in show(make()).splitlines()]
    assert ["Score", "Region", "Before", "After", "Change"] in lines
    assert ["NLL", "image", "0.20000", "0.10000", "-50.0", "%"] in lines
    assert ["NLL", "foreground", "0.80000", "0.80000", "+0.0", "%"] in lines
    assert ["Dice", "image", "0.90000", "0.90000", "+0.0", "%"] in lines


def test_the_parameters_stand_with_their_spread(make):
    facts = list(list_facts(make()))
    assert facts[0] == "temperature: 1.5000 (1.4000 to 1.7000 with subjects left out)"
    assert facts[1] == (
        "NLL of the 100 fitted voxels (of 500): 0.21000 -> 0.11000; largest derivative 2.0e-12 after 1 step"
    )
    assert facts[2].startswith("After: each subject by a calibrator that was fitted without it")
    vector = list(list_facts(make("vector", {"scale": [1.0, 2.0], "bias": [0.5, -0.5]}, folds={})))
    assert vector[:2] == ["scale: background 1.0000, LV 2.0000", "bias: background 0.5000, LV -0.5000"]
    assert vector[-1] == "After: of the very subject that was fitted, so better than it will be on others."
    table = {"log_odds": [[0.1 * i for i in range(121)]] * 2}
    isotonic = list(list_facts(make("isotonic", table, folds={})))
    assert isotonic[0] == "NLL of the 100 fitted voxels (of 500): 0.21000 -> 0.11000"


def test_what_gets_worse_and_what_did_not_converge_is_told(make):
    assert list(list_notes(make(), region="image")) == []
    found = make(note="stopped at T = 0.05: because", nll_foreground=0.9, ece_image=0.03, dice_image=0.5)
    assert list(list_notes(found, region="image")) == [
        "stopped at T = 0.05: because.",
        "it makes worse: NLL of the foreground (0.80000 to 0.90000), ECE of the image (0.02000 to 0.03000), "
        "Dice (0.90000 to 0.50000), for it changes labels.",
    ]
    assert "note: stopped at T = 0.05" in show(found)
    assert list(list_notes(make(dice_image=0.8999), region="image")) == []
    # Where it is what decides, an error says it.
    assert not any("NLL of the foreground" in note for note in list_notes(found, region="foreground"))


def test_undefined_scores_have_no_change(make):
    row = next(line for line in show(make(ece_image=math.nan)).splitlines() if line.startswith("ECE"))
    assert row.split() == ["ECE", "image", "0.02000", "nan"]


def test_the_record_of_those_left_out_has_no_tables(make):
    assert list_folds(make())[0] == {"subjects": ["a"], "parameters": {"temperature": 1.4}}
    assert list_folds(make(folds={("a", "b"): {"log_odds": [[0.0]]}})) == [{"subjects": ["a", "b"]}]
