"""Files of a case find each other by name, and no file is left out without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlseg.checks import DataError
from mlseg.data.saved_files import SavedFiles, find_cases


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two predictions, references of other ends, and images."""
    monkeypatch.chdir(tmp_path)
    touch("preds", "a.nii.gz", "b.nii.gz")
    touch("refs", "a_gt.nii.gz", "b_gt.nii.gz")
    return tmp_path


def touch(folder: str, *names: str) -> None:
    Path(folder).mkdir(exist_ok=True)
    for name in names:
        Path(folder, name).touch()


def test_label_maps_alone(place: Path) -> None:
    found = find_cases(prediction="preds", reference="refs")
    first, second = found.cases
    assert first == SavedFiles(
        case_id="a", subject_id="a", reference=Path("refs/a_gt.nii.gz"), prediction=Path("preds/a.nii.gz")
    )
    assert second.case_id == "b"
    assert found.notes == ()


def test_the_person_is_found_in_the_name(place: Path) -> None:
    touch("refs", "p1_ED.nii", "p1_ES.nii")
    touch("mine", "p1_ED.nii", "p1_ES.nii")
    found = find_cases(prediction="mine", reference="refs/p*", subject=r"(p\d)")
    assert [(case.case_id, case.subject_id) for case in found.cases] == [("p1_ED", "p1"), ("p1_ES", "p1")]
    with pytest.raises(DataError, match=r"got none in a with"):
        find_cases(prediction="preds", reference="refs/?_gt*", subject=r"p(\d)")


def test_a_reference_without_a_prediction_is_never_passed_over(place: Path) -> None:
    touch("refs", *(f"{name}_gt.nii.gz" for name in "cdefg"))
    with pytest.raises(
        DataError, match=r"^refs: every reference must have a prediction, got none for c_gt, d_gt, e_gt"
    ):
        find_cases(prediction="preds", reference="refs")
    found = find_cases(prediction="preds", reference="refs", missing="skip")
    assert len(found.cases) == 2
    assert found.notes == ("Left out, though a reference is there: no prediction for c_gt, d_gt, e_gt and 2 more.",)


def test_a_prediction_without_a_reference_is_reported(place: Path) -> None:
    touch("preds", "c.nii.gz")
    assert find_cases(prediction="preds", reference="refs").notes == ("Left out for want of a reference: c.",)


def test_nothing_in_common_is_refused(place: Path) -> None:
    touch("others", "x.nii.gz", "y.nii.gz")
    with pytest.raises(
        DataError, match=r"^prediction: must have files named as the references, got x, y for a_gt, b_gt"
    ):
        find_cases(prediction="others", reference="refs")


def test_single_files_need_no_common_name_and_ask_for_no_others(place: Path) -> None:
    (case,) = find_cases(prediction="preds/a.nii.gz", reference="refs/b_gt.nii.gz").cases
    assert (case.case_id, case.reference) == ("a", Path("refs/b_gt.nii.gz"))
    found = find_cases(prediction="preds/b.nii.gz", reference="refs")
    assert [case.case_id for case in found.cases] == ["b"]
    assert found.notes == ()


def test_npz_beside_the_predictions_are_taken_unless_told_not_to(place: Path) -> None:
    touch("preds", "a.npz", "b.npz", "a.pkl")
    found = find_cases(prediction="preds", reference="refs")
    assert [case.probs for case in found.cases] == [Path("preds/a.npz"), Path("preds/b.npz")]
    assert find_cases(prediction="preds", reference="refs", probs="none").cases[0].probs is None
    Path("preds/b.npz").unlink()
    with pytest.raises(DataError, match="beside each label map or beside none, got none for b"):
        find_cases(prediction="preds", reference="refs")


def test_probabilities_named_by_their_folder(place: Path) -> None:
    touch("probs", "a_probs.nii.gz", "b_probs.nii.gz", "c.nii.gz")
    found = find_cases(prediction="preds", reference="refs", probs="probs")
    assert [case.probs for case in found.cases] == [Path("probs/a_probs.nii.gz"), Path("probs/b_probs.nii.gz")]
    Path("probs/a_probs.nii.gz").unlink()
    with pytest.raises(DataError, match=r"^probs: must have a file for each case, got none for a in probs"):
        find_cases(prediction="preds", reference="refs", probs="probs")


def test_probabilities_in_the_folder_of_the_predictions(place: Path) -> None:
    with pytest.raises(DataError, match="got the label maps themselves in preds"):
        find_cases(prediction="preds", reference="refs", probs="preds")
    touch("preds", "a_prob.nii.gz", "b_prob.nii.gz")
    found = find_cases(prediction="preds", reference="refs", probs="preds")
    assert [case.probs for case in found.cases] == [Path("preds/a_prob.nii.gz"), Path("preds/b_prob.nii.gz")]
    assert found.notes == ()
    touch("preds", "a.npz", "b.npz")
    assert find_cases(prediction="preds", reference="refs", probs="preds").cases[0].probs == Path("preds/a.npz")


def test_probabilities_alone(place: Path) -> None:
    touch("preds", "a.npz", "b.npz")
    found = find_cases(probs="preds", reference="refs")
    assert [(case.prediction, case.probs) for case in found.cases] == [
        (None, Path("preds/a.npz")),
        (None, Path("preds/b.npz")),
    ]


def test_images_are_the_first_channels(place: Path) -> None:
    touch("images", "a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz")
    found = find_cases(prediction="preds", reference="refs", image="images")
    assert [case.image for case in found.cases] == [Path("images/a_0000.nii.gz"), Path("images/b_0000.nii.gz")]
    Path("images/b_0000.nii.gz").unlink()
    found = find_cases(prediction="preds", reference="refs", image="images")
    assert [case.image for case in found.cases] == [Path("images/a_0000.nii.gz"), None]
    assert found.notes == ("No image for b.",)


def test_one_folder_for_both_is_refused(place: Path) -> None:
    touch("all", *(f"case{n}_{kind}.nii.gz" for n in (1, 2) for kind in ("gt", "pred")))
    for own, other in (("all", "all"), ("all/*_pred*", "all"), ("all/case1_gt.nii.gz", "./all/case1_gt.nii.gz")):
        with pytest.raises(DataError, match=r"^prediction: must be another file than the reference, got all/case1_"):
            find_cases(prediction=own, reference=other)
    found = find_cases(prediction="all/*_pred.nii.gz", reference="all/*_gt.nii.gz")
    assert [case.case_id for case in found.cases] == ["case1", "case2"]


def test_one_file_in_a_folder_is_matched_by_its_name(place: Path) -> None:
    touch("mine", "x.nii.gz")
    touch("theirs", "y.nii.gz")
    for own, other in (
        ("mine", "theirs"),
        ("mine/x.nii.gz", "theirs"),
        ("mine", "theirs/y.nii.gz"),
        ("mi*/*", "th*/*"),
    ):
        with pytest.raises(DataError, match=r"^prediction: must have files named as the references, got x for y"):
            find_cases(prediction=own, reference=other)
    assert len(find_cases(prediction="mine/x.nii.gz", reference="theirs/y.nii.gz").cases) == 1


def test_one_file_of_probabilities_or_of_an_image_is_matched_by_its_name(place: Path) -> None:
    touch("probs", "c_probs.nii.gz")
    files = {"prediction": "preds/a.nii.gz", "reference": "refs/a_gt.nii.gz"}
    with pytest.raises(DataError, match=r"^probs: must have a file for each case, got none for a in probs"):
        find_cases(**files, probs="probs")
    assert find_cases(**files, probs="probs/c_probs.nii.gz").cases[0].probs == Path("probs/c_probs.nii.gz")
    found = find_cases(**files, image="probs")
    assert (found.cases[0].image, found.notes) == (None, ("No image for a.",))
    assert find_cases(**files, image="probs/c_probs.nii.gz").cases[0].image == Path("probs/c_probs.nii.gz")
