"""A calibrator on disk and on logits."""

from __future__ import annotations

import json
import math

import pytest
import torch

from mlseg.checks import RunError
from mlseg.engine.calibration_fit import FITS
from mlseg.engine.calibrator import Calibrator, hash_parameters, read_calibrator, write_calibrator
from mlseg.functional import posthoc

LABELS = ("background", "RV", "LV")
PARAMETERS = {
    "temperature": {"temperature": 1 / 3},
    "class_temperature": {"temperature": [0.5, 2.0, 1 / 3]},
    "vector": {"scale": [0.5, 2.0, 1 / 3], "bias": [0.1, -0.3, 0.2]},
    "isotonic": {"log_odds": [torch.linspace(-6 - k, 6, 121, dtype=torch.float64).tolist() for k in range(3)]},
}


def make(method: str = "temperature", **changes) -> Calibrator:
    return Calibrator(method, {**PARAMETERS[method], **changes}, labels=LABELS)


def test_every_method_that_can_be_fitted_can_be_kept():
    assert set(FITS) == set(PARAMETERS)


@pytest.mark.parametrize("method", PARAMETERS)
def test_read_back_it_gives_the_same_logits_to_the_bit(method, tmp_path):
    path, calibrator = tmp_path / "calibrator.json", make(method)
    write_calibrator(
        path, calibrator, checkpoint={"weights": "abc", "epoch": 3}, fitted_on={"cases": {"a_ED": ["a", "h"]}}
    )
    record = json.loads(path.read_text())
    assert list(record)[:5] == ["version", "kind", "method", "labels", "parameters"]
    assert record["parameters"] == PARAMETERS[method]
    found = read_calibrator(path)
    logits = 3 * torch.randn(2, 3, 4, 5, 6)
    assert torch.equal(found(logits), calibrator(logits))
    assert found(logits).dtype == torch.float32
    assert found(logits.double()).dtype == torch.float64
    assert (found.method, found.labels, found.weights) == (method, LABELS, "abc")
    assert found.cases == {"a_ED": ("a", "h")}
    assert hash_parameters(found) == hash_parameters(calibrator)


def test_it_maps_logits_by_its_method():
    logits = torch.randn(2, 3, 4)
    scale, bias = (torch.tensor(PARAMETERS["vector"][name]) for name in ("scale", "bias"))
    assert torch.equal(make("temperature")(logits), logits / (1 / 3))
    torch.testing.assert_close(make("vector")(logits), posthoc.scale_by_vector(logits, scale, bias))


def test_two_calibrators_have_two_hashes():
    hashes = {hash_parameters(make(method)) for method in PARAMETERS} | {hash_parameters(make(temperature=0.5))}
    assert len(hashes) == 5


def test_it_is_described_in_words():
    assert [make(method).describe() for method in PARAMETERS] == [
        "temperature scaling (T = 0.3333)",
        "class-wise temperature scaling",
        "vector scaling",
        "isotonic regression",
    ]


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        ("platt", {}, "method must be one of temperature, class_temperature, vector, isotonic, got 'platt'"),
        ("temperature", {}, r"temperature must be positive numbers of shape \(\), got None"),
        ("temperature", {"temperature": 0.0}, "must be positive numbers"),
        ("temperature", {"temperature": math.nan}, "must be positive numbers"),
        ("class_temperature", {"temperature": [1.0, 2.0]}, r"of shape \(3,\), got \[1.0, 2.0\]"),
        ("class_temperature", {"temperature": [1.0, 2.0, -1.0]}, "must be positive numbers"),
        ("vector", {"scale": [1.0, 1.0, 1.0], "bias": "abc"}, r"bias must be numbers of shape \(3,\), got abc"),
        ("isotonic", {"log_odds": [[0.0], [0.0, 1.0], [0.0]]}, r"log_odds must be numbers of shape \(3, 121\)"),
    ],
)
def test_parameters_that_are_none_are_refused(method, parameters, message):
    with pytest.raises(RunError, match=f"^Calibrator: .*{message}"):
        Calibrator(method, parameters, labels=LABELS)


def test_logits_of_other_classes_are_refused():
    with pytest.raises(RunError, match="logits must have 3 classes, got 4"):
        make()(torch.zeros(1, 4, 2))


def test_files_that_are_none_are_refused_with_their_name(tmp_path):
    path = tmp_path / "calibrator.json"
    with pytest.raises(RunError, match=r"calibrator.json: must be a calibrator, got nothing. Fit it again"):
        read_calibrator(path)
    good = {"version": 1, "kind": "calibrator", "method": "temperature", "labels": list(LABELS)}
    for changes, message in (
        ({"kind": "evaluation"}, r"must be a calibrator of version 1, got kind and version \('evaluation', 1\)"),
        ({"version": 2}, "must be a calibrator of version 1"),
        ({"labels": None}, "must name labels and parameters"),
        ({"parameters": []}, "must name labels and parameters"),
        ({"parameters": {"temperature": None}}, "Calibrator: temperature must be positive numbers"),
    ):
        path.write_text(json.dumps({**good, "parameters": {"temperature": 2.0}, **changes}))
        with pytest.raises(RunError, match=f"calibrator.json: .*{message}"):
            read_calibrator(path)


def test_it_belongs_to_the_weights_that_it_was_fitted_to():
    record = {"checkpoint": {"weights": "abc", "epoch": 4}}
    calibrator = Calibrator("temperature", {"temperature": 2.0}, labels=LABELS, record=record)
    calibrator.check_weights("abc")
    with pytest.raises(RunError, match=r"x.json: must be fitted to these very weights, got .* others \(epoch 4\)"):
        calibrator.check_weights("def", owner="x.json")
    make().check_weights("def")  # one that does not say


@pytest.mark.parametrize("method", PARAMETERS)
def test_it_can_be_exported_with_a_network(method):
    calibrator, logits = make(method), torch.randn(2, 3, 4, 5)
    exported = torch.export.export(calibrator, (logits,)).module()
    torch.testing.assert_close(exported(logits), calibrator(logits))
