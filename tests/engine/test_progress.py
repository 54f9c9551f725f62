import re
import time

import pytest

from mlseg.engine.progress import TrainingBar


def test_the_bar_shows_epoch_share_and_facts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with TrainingBar(total=10, done=4, show=True) as bar:
        bar.describe("epoch 2/3")
        bar.advance(8)
        bar.state(loss="loss 0.1234")
        bar.state(dice="Dice 0.876")
        time.sleep(0.15)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    for fact in ("epoch 2/3", "50%", "loss 0.1234", "Dice 0.876", "images/s"):
        assert fact in shown


@pytest.mark.parametrize("show", [False, "auto"])
def test_nothing_is_drawn_where_nobody_watches(show: object, capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingBar(total=2, done=0, show=show) as bar:  # type: ignore[arg-type]
        bar.advance(4)
    assert capsys.readouterr().err == ""
