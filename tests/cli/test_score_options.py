"""The words of mlseg-score: typed, checked against each other, and answered in one line."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from mlseg.checks import ConfigError
from mlseg.cli.score_options import _EXAMPLES, _READERS, EVALUATIONS, HELP, NO_PROBS, SETTINGS, read_options

PLACES = ["prediction=p", "reference=r"]


def test_words_become_options(tmp_path: Path) -> None:
    found = read_options(
        [
            *PLACES,
            "labels=[background, RV,'Myo']",
            "evaluation=(default,paper,default)",
            r"subject=(patient\d+)",
            "bins=10",
            "tolerance_mm=1.5",
            "missing=skip",
            "agreement=0.9",
            "workers=2",
            "output=~/x",
        ]
    )
    assert found == {
        "prediction": "p",
        "reference": "r",
        "labels": ["background", "RV", "Myo"],
        "evaluation": ["default", "paper"],
        "subject": r"(patient\d+)",
        "bins": 10,
        "tolerance_mm": 1.5,
        "missing": "skip",
        "agreement": 0.9,
        "workers": 2,
        "output": Path("~/x").expanduser(),
    }
    assert read_options([*PLACES, "labels=x/dataset.json"])["labels"] == Path("x/dataset.json")
    assert read_options([*PLACES, f"labels={tmp_path}"])["labels"] == tmp_path
    assert read_options(["probs=q", "reference=r"])["evaluation"] == ["default"]


@pytest.mark.parametrize(
    "text",
    ["{WT: [NCR, ED], ET: ET}", "{WT:[NCR,ED],ET:[ET]}", "WT:[NCR,ED],ET:[ET]", "{WT: [NCR, 'ED'], 'ET': [ET]}"],
)
def test_merged_labels_bring_their_protocol(text: str) -> None:
    found = read_options([*PLACES, f"merged={text}"])
    assert found["merged"] == {"WT": ["NCR", "ED"], "ET": ["ET"]}
    assert found["evaluation"] == ["default", "merged"]
    assert read_options([*PLACES, f"merged={text}", "evaluation=merged"])["evaluation"] == ["merged"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predicton=a"], "got predicton=a. Did you mean prediction=...?"),
        (["--labels"], "Did you mean labels=...?"),
        (["qqq=1"], "See mlseg-score --help."),
        ([], "must have reference=... and prediction=... (or probs=...), got none of them"),
        (["prediction=p"], "got prediction."),
        (["reference=r", "probs=none"], "must have reference=... and prediction=..."),
        (
            [*PLACES, "evaluation=papr"],
            "evaluation: must be out of default, paper, merged, got papr. Did you mean paper?",
        ),
        ([*PLACES, "evaluation=xyz"], "got xyz. Take some of them."),
        ([*PLACES, "evaluation=merged"], "got one without the other"),
        ([*PLACES, "merged={a: [b]}", "evaluation=default"], "got one without the other"),
        ([*PLACES, "evaluation=paper", "bins=10"], "bins=10: evaluation=paper has no settings"),
        ([*PLACES, "merged={a: "], "merged: must be like 'merged={WT: [NCR, ED, ET]"),
        ([*PLACES, "merged={a: []}"], "merged: must be like"),
        ([*PLACES, "merged=[a]"], "merged: must be like"),
        ([*PLACES, "labels=background"], "labels: must be like 'labels=[background,RV,Myo,LV]'"),
        ([*PLACES, "labels=[a,,b]"], "labels: must be like"),
        ([*PLACES, "subject=patient"], "subject: must be like"),
        ([*PLACES, "subject=(a"], "subject: must be like"),
        ([*PLACES, "bins=ten"], "bins: must be like bins=15, got 'ten'"),
        ([*PLACES, "missing=yes"], "missing: must be like missing=error or missing=skip"),
        ([*PLACES, "agreement=99"], "agreement: must be like agreement=0.99"),
        ([*PLACES, "workers=0"], "workers: must be like workers=2"),
        (["prediction="], "prediction: must be like prediction=preds"),
        ([*PLACES, "output="], "output: must be like"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_options(words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_and_examples_know_every_word() -> None:
    assert set(_EXAMPLES) == set(_READERS)
    assert [key for key in _READERS if f"  {key}" not in HELP and f", {key}" not in HELP] == []


def test_words_that_other_layers_read_are_theirs() -> None:
    from mlseg.data import saved_files
    from mlseg.metrics import score
    from mlseg.metrics.default import DefaultEvaluation

    assert NO_PROBS == saved_files.NO_PROBS
    assert EVALUATIONS == score.EVALUATIONS
    assert tuple(inspect.signature(DefaultEvaluation).parameters)[1:] == SETTINGS
