"""What is there of a calibrated run, and that no more than what is missing is made."""

from __future__ import annotations

import pytest

from mlseg.checks import RunError
from mlseg.cli.errors import INTERRUPTED, REQUEUE
from mlseg.cli.table_commands import CALIBRATE, EVALUATE, Ended
from mlseg.cli.table_posthoc import FILES, REFUSAL, Posthoc
from mlseg.engine.calibration_fit import Calibration
from mlseg.records import read_json, write_json

REFUSED = f"{REFUSAL}subjects that it was not fitted to must not get worse, got 0.5 after 0.4 (region image). Nothing."


@pytest.fixture
def posthoc(tmp_path):
    """A trained run whose scores with a temperature are not there yet."""
    write_json(tmp_path / "run.json", {"split": {"name": "random-0", "val": ["p3"]}})
    (tmp_path / "best.pt").write_bytes(b"weights")
    return Posthoc(run=tmp_path, method="temperature")


class Programs:
    """Stands for mlseg-calibrate and mlseg-evaluate: leaves what they leave, or ends as it is told."""

    def __init__(self, posthoc, **ends):
        self.posthoc, self.ends, self.typed = posthoc, ends, []

    def __call__(self, prog, words):
        self.typed.append((prog, list(words)))
        end = self.ends.get(prog, Ended(code=0))
        if isinstance(end, BaseException):
            raise end
        assert not self.posthoc.scores.exists(), "what was judged with an earlier calibrator must be gone"
        if end.code == 0 and prog == CALIBRATE:
            write_json(self.posthoc.calibrator, {"parameters": {"temperature": 1.5}})
        elif end.code == 0:
            write_scores(self.posthoc)
        return end

    @property
    def names(self):
        return [prog for prog, _ in self.typed]


def write_scores(posthoc, *, method="temperature", part="test"):
    posthoc.scores.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (posthoc.scores / name).write_text("")
    write_json(posthoc.scores / "run.json", {"calibrator": {"method": method}, "split": {"part": part}})


def make(posthoc, **ends):
    programs = Programs(posthoc, **ends)
    return posthoc.make(["data.root=d"], call=programs), programs


def test_both_commands_are_typed_and_then_it_is_done(posthoc, capsys):
    assert posthoc.find_state().reason == "not calibrated yet"
    code, programs = make(posthoc)
    run, calibrator = f"run={posthoc.run}", posthoc.run / "posthoc" / "temperature.json"
    assert code == 0
    assert programs.typed == [
        (CALIBRATE, [run, "method=temperature", f"output={calibrator}", "data.root=d"]),
        (EVALUATE, [run, f"calibrator={calibrator}", "name=posthoc-temperature", "data.root=d"]),
    ]
    assert posthoc.find_state().done
    assert posthoc.scores == posthoc.run / "evaluations" / "posthoc-temperature"
    assert f"mlseg-calibrate {run} method=temperature" in capsys.readouterr().out


@pytest.mark.parametrize("name", FILES)
def test_lost_scores_are_judged_again_and_nothing_is_fitted(posthoc, name):
    make(posthoc)
    (posthoc.scores / name).unlink()
    assert not posthoc.find_state().done
    code, programs = make(posthoc)
    assert (code, programs.names) == (0, [EVALUATE])
    assert posthoc.find_state().done


@pytest.mark.parametrize("change", ["checkpoint", "calibrator", "no calibrator", "no record"])
def test_what_has_changed_is_fitted_again(posthoc, change):
    make(posthoc)
    if change == "checkpoint":
        (posthoc.run / "best.pt").write_bytes(b"others")
    elif change == "calibrator":
        write_json(posthoc.calibrator, {"parameters": {"temperature": 9.0}})
    elif change == "no calibrator":
        posthoc.calibrator.unlink()
    else:
        posthoc.record.unlink()
    assert not posthoc.find_state().done
    code, programs = make(posthoc)
    assert (code, programs.names) == (0, [CALIBRATE, EVALUATE])
    assert posthoc.find_state().done


def test_a_checkpoint_that_was_removed_to_save_space_leaves_the_scores(posthoc):
    make(posthoc)
    (posthoc.run / "best.pt").unlink()
    assert posthoc.find_state().done


def test_what_was_made_by_hand_is_neither_taken_nor_touched(posthoc):
    write_json(posthoc.run / "calibrator.json", {"by": "hand"})
    write_scores(posthoc, part="val")
    make(posthoc)
    assert read_json(posthoc.run / "calibrator.json") == {"by": "hand"}
    write_scores(posthoc, part="val")
    assert not posthoc.find_state().done
    write_scores(posthoc, method="vector")
    assert not posthoc.find_state().done


def test_a_refused_calibration_is_an_answer_until_the_weights_change(posthoc):
    code, programs = make(posthoc, **{CALIBRATE: Ended(code=1, message=REFUSED)})
    assert (code, programs.names) == (0, [CALIBRATE])
    state = posthoc.find_state()
    assert (state.done, state.final, state.as_trained) == (True, True, True)
    assert state.reason == "no temperature helped, scores as trained"
    assert read_json(posthoc.record)["refused"] == (
        "calibration refused: NLL of subjects that it was not fitted to must not get worse, got 0.5 after 0.4 "
        "(region image)"
    )
    (posthoc.run / "best.pt").write_bytes(b"others")
    state = posthoc.find_state()
    assert (state.done, state.final, state.as_trained) == (False, False, False)


def test_the_refusal_is_known_by_its_own_words():
    scores = {("nll", "image"): 0.4}
    found = Calibration(
        calibrator=None,
        fit=None,
        nll_before=0.4,
        folds={},
        before=scores,
        after={("nll", "image"): 0.5},
        voxels=1,
        seen=1,
    )
    with pytest.raises(RunError) as error:
        found.check_nll("image")
    assert str(error.value).startswith(REFUSAL)


@pytest.mark.parametrize("prog", [CALIBRATE, EVALUATE])
def test_a_failure_is_told_and_tried_again(posthoc, prog):
    code, _ = make(posthoc, **{prog: Ended(code=1, message="raw: is not there. Put it there.")})
    assert code == 1
    state = posthoc.find_state()
    assert (state.done, state.final, state.reason) == (False, False, "calibration failed: raw: is not there")
    code, programs = make(posthoc)
    assert (code, programs.names) == (0, [CALIBRATE, EVALUATE] if prog == CALIBRATE else [EVALUATE])
    assert posthoc.find_state().done
    assert "failed" not in read_json(posthoc.record)


@pytest.mark.parametrize("code", [INTERRUPTED, REQUEUE])
def test_a_stop_is_no_failure_and_goes_on_where_it_was(posthoc, code):
    assert make(posthoc, **{EVALUATE: Ended(code=code, message="interrupted")})[0] == code
    assert posthoc.find_state().reason == "not calibrated yet"
    assert make(posthoc)[1].names == [EVALUATE]


def test_a_process_that_dies_while_judging_keeps_what_was_fitted(posthoc):
    with pytest.raises(KeyboardInterrupt):
        make(posthoc, **{EVALUATE: KeyboardInterrupt()})
    assert make(posthoc)[1].names == [EVALUATE]


def test_without_validation_subjects_there_is_nothing_to_fit_to(posthoc):
    write_json(posthoc.run / "run.json", {"split": {"name": "mrbrains18_paper", "val": []}})
    state = posthoc.find_state()
    assert (state.done, state.final) == (False, True)
    assert state.reason == "no validation subject in split mrbrains18_paper to fit to"
