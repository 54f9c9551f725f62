"""The console script mlseg-explain: the page and the figure, and one line for each mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlseg.cli.explain import Options, build_losses, read_options, run


@pytest.fixture(autouse=True)
def _stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 40)


def test_figure_and_page_of_chosen_losses(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["losses", "names=mbls,ls,dice,ce", "mbls.margin=5", "output=here/too", "max_distance=10"]) == 0
    assert Path("here/too/losses.png").read_bytes().startswith(b"\x89PNG")
    text = Path("here/too/losses.md").read_text()
    # Those that never stop come first.
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| `")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["`ls`", "alpha=0.1", "d > 0"],
        ["`mbls`", "margin=5, alpha=0.1", "d > 5"],
    ]
    assert "](losses.png)" in text
    assert "`ce` (Cross-entropy)" in text
    assert "`dice` (Soft Dice loss)" in text
    assert "mlseg-explain losses names=mbls,ls,dice,ce mbls.margin=5" in text
    assert capsys.readouterr().out == "here/too/losses.md and here/too/losses.png show ls, mbls.\n"


def test_every_loss_of_the_configs_is_built(repo_root: Path) -> None:
    assert set(build_losses(Options())) == {path.stem for path in (repo_root / "configs" / "loss").glob("*.yaml")}


def test_settings_reach_into_sums() -> None:
    losses = build_losses(Options(names=("mbls_dice",), settings=("mbls_dice.mbls.margin=3",)))
    assert losses["mbls_dice"].margin == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loses"], "what to explain: must be losses, got loses. Write mlseg-explain losses."),
        (["losses", "name=ls"], "Did you mean names=...?"),
        (["losses", "qqq"], "See mlseg-explain --help."),
        (["losses", "names="], "names: must be like names=ls,fl,mbls, got ''"),
        (["losses", "max_distance=far"], "max_distance: must be like max_distance=20, got 'far'"),
        (["losses", "max_distance=0"], "max_distance must be a number above 0, got 0"),
        (["losses", "names=mblz"], "mblz: no such loss. Did you mean mbls? Choices: ce,"),
        (["losses", "lss.alpha=1"], "lss: no such loss. Did you mean ls?"),
        (["losses", "names=ls", "ls.alpa=1"], "Did you mean loss.alpha?"),
        (["losses", "names=ls", "ls.alpha=2"], "LSLoss: alpha must be a number in [0, 1], got 2"),
        (["losses", "names=dice,ce"], "names: must hold a loss with a penalty on distances, got dice, ce."),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) in (1, 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("mlseg-explain: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_options_are_typed() -> None:
    options = read_options(["losses", "names=[ls, mbls]", "output=x", "max_distance=5", "mbls.margin=3"])
    assert options == Options(names=("ls", "mbls"), output=Path("x"), max_distance=5.0, settings=("mbls.margin=3",))


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mlseg.cli.explain import run; code = run(['--help']); "
        "sys.exit(code or bool({'numpy', 'torch', 'hydra', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "max_distance" in done.stdout
