"""Mistakes in a component's `_target_`, found without importing it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import mlseg
from mlseg.cli.targets import COMPONENTS, find_target_problems

LOSS = "mlseg.losses.mbls.MbLSLoss"


def problems(loss: object) -> list[str]:
    good = {"_target_": "torch.optim.Adam"}
    tree = {
        "data": {"source": good},
        **dict.fromkeys(("model", "optimizer", "scheduler", "augment", "trainer"), good),
        "loss": loss,
    }
    return list(find_target_problems(tree))


@pytest.mark.parametrize("target", [LOSS, "monai.losses.DiceLoss"])
def test_what_exists_is_no_problem(target: str) -> None:
    assert problems({"_target_": target}) == []


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"target": LOSS}, "loss._target_: must be the dotted path of a class, got None"),
        ({}, "loss._target_: must be the dotted path"),
        (None, "loss._target_: must be the dotted path"),
        ({"_target_": "MbLSLoss"}, "loss._target_: must be the dotted path"),
        ({"_target_": "mlseg.losses.mbls.MbLSLos"}, "mbls.py has no MbLSLos. Did you mean MbLSLoss?"),
        ({"_target_": "mlseg.losses.mblz.MbLSLoss"}, "there is no module mlseg.losses.mblz"),
        ({"_target_": "mlseg.lossess.mbls.MbLSLoss"}, "there is no module mlseg.lossess.mbls"),
        ({"_target_": "monay.losses.DiceLoss"}, "package 'monay' is not installed"),
    ],
)
def test_a_mistake_is_named(loss: object, message: str) -> None:
    (found,) = problems(loss)
    assert message in found
    assert "\n" not in found


def test_every_component_is_looked_at() -> None:
    assert len(list(find_target_problems({}))) == len(COMPONENTS)


def test_a_file_that_cannot_be_parsed_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text("a = 1\ndef f(:\n")
    monkeypatch.setattr(mlseg, "__path__", [*mlseg.__path__, str(tmp_path)])
    (found,) = problems({"_target_": "mlseg.broken.Loss"})
    assert "broken.py: line 2:" in found


def test_nothing_heavy_is_imported() -> None:
    import subprocess

    code = (
        "import sys; from mlseg.cli.targets import find_target_problems as f; "
        f"list(f({{'loss': {{'_target_': '{LOSS}'}}}})); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
