"""The files of cases that were predicted elsewhere: label maps, references, probabilities and images, case by case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlseg.checks import DataError
from mlseg.data.matching import (
    NIFTI_ENDINGS,
    PROBS_ENDING,
    SUFFIXES,
    check_apart,
    join_names,
    keep_label_maps,
    list_files,
    match_names,
    strip_ending,
    strip_suffix,
)

NO_PROBS = "none"
MISSING = ("error", "skip")


@dataclass(frozen=True, kw_only=True)
class SavedFiles:
    """The files of one case that was predicted elsewhere.

    Args:
        reference: label map.
        prediction: label map; None judges the top label of the probabilities.
        probs: probabilities, a NIfTI file with the classes as its fourth axis or a .npz of nnU-Net; None if not known.
        image: an image to draw the case on; None if not known.
    """

    case_id: str
    subject_id: str
    reference: Path
    prediction: Path | None = None
    probs: Path | None = None
    image: Path | None = None


@dataclass(frozen=True, kw_only=True)
class SavedSet:
    """Matched cases, sorted by case_id, and what a reader has to know of the matching: a sentence each."""

    cases: tuple[SavedFiles, ...]
    notes: tuple[str, ...] = ()


def find_cases(
    *,
    reference: str,
    prediction: str | None = None,
    probs: str | None = None,
    image: str | None = None,
    subject: str | None = None,
    missing: str = "error",
) -> SavedSet:
    r"""Match the files of two to four places by case.

    Two names belong together if they are equal without their ending, or else without one of SUFFIXES:
    `case_1.nii.gz`, `case_1_gt.nii.gz` and `case_1_0000.nii.gz` are of one case. Files that are given themselves, not
    by a folder or a pattern, need no common name.

    Args:
        reference, prediction, probs, image: a file, a folder, or a pattern with `*`. Without `prediction` the
            probabilities alone are judged. Without `probs` nnU-Net's .npz files beside the predictions are taken if
            there are any; "none" leaves them alone.
        subject: a regular expression whose one group finds the person in a case id, e.g. `(patient\d+)`; None makes
            each case a person.
        missing: "error" refuses a reference without a prediction, "skip" leaves it out and says so.

    Raises:
        DataError: a place that holds no such file; nothing that matches; a reference without a prediction, or a
            prediction without the probabilities that others have; names that could mean two cases; a file as
            its own reference.
    """
    references = keep_label_maps(list_files("reference", reference, NIFTI_ENDINGS))
    role, judged = ("prediction", prediction) if prediction is not None else ("probs", str(probs))
    if prediction is None:
        predictions = _list_probs(judged, taken=())
    else:
        predictions = keep_label_maps(list_files(role, judged, NIFTI_ENDINGS))
    both_named = _is_file(judged) and _is_file(reference)
    pairs, alone = _match_all(role, predictions, references, named=both_named)
    check_apart(role, pairs.values())
    given: dict[str, Path | None]
    if prediction is None:
        given = {case_id: path for case_id, (path, _) in pairs.items()}
    elif probs == NO_PROBS:
        given = dict.fromkeys(pairs)
    elif probs is None:
        given = _find_beside({case_id: path for case_id, (path, _) in pairs.items()})
    else:
        given = _find_probs(pairs, _list_probs(probs, taken=[path for path, _ in pairs.values()]), probs)
    # Who names one file does not ask for the others beside it.
    named_one = _is_file(judged) or _is_file(reference)
    notes = [] if named_one else _report_alone(*alone, missing, judged, reference)
    images = {} if image is None else _find_images(pairs, list_files("image", image, NIFTI_ENDINGS), image, notes)
    cases = [
        SavedFiles(
            case_id=case_id,
            subject_id=_name_subject(case_id, subject),
            reference=reference_path,
            prediction=path if prediction is not None else None,
            probs=given[case_id],
            image=images.get(case_id),
        )
        for case_id, (path, reference_path) in sorted(pairs.items())
    ]
    return SavedSet(cases=tuple(cases), notes=tuple(notes))


def _match_all(
    role: str, predictions: Mapping[str, Path], references: Mapping[str, Path], *, named: bool
) -> tuple[dict[str, tuple[Path, Path]], tuple[list[str], list[str]]]:
    """Case -> (prediction, reference), and the names of the predictions and references that stay alone.

    Args:
        named: both are one file that the user gave itself, so any names will do.
    """
    names = match_names(predictions, references)
    if not names and named:
        own, other = next(iter(predictions)), next(iter(references))
        names = {strip_suffix(own): (own, other)}
    if not names:
        raise DataError(
            f"{role}: must have files named as the references, got {join_names(predictions)} for "
            f"{join_names(references)}. Rename one side; only ends such as {', '.join(SUFFIXES[:3])} may differ."
        )
    used = [{pair[side] for pair in names.values()} for side in (0, 1)]
    alone = ([n for n in predictions if n not in used[0]], [n for n in references if n not in used[1]])
    return {case_id: (predictions[own], references[other]) for case_id, (own, other) in names.items()}, alone


def _report_alone(extra: list[str], unpredicted: list[str], missing: str, predicted: str, reference: str) -> list[str]:
    """A note on each kind of file that stays alone. Raises DataError for references, unless they may be skipped."""
    if unpredicted and missing == "error":
        raise DataError(
            f"{reference}: every reference must have a prediction, got none for {join_names(unpredicted)} in "
            f"{predicted}. Predict them too, or write missing=skip to leave them out."
        )
    notes = []
    if unpredicted:
        notes.append(f"Left out, though a reference is there: no prediction for {join_names(unpredicted)}.")
    if extra:
        notes.append(f"Left out for want of a reference: {join_names(extra)}.")
    return notes


def _list_probs(place: str, *, taken: Iterable[Path]) -> dict[str, Path]:
    """Files of probabilities: .npz where there are any, else NIfTI files that are not the predictions themselves."""
    path = Path(place).expanduser()
    known = {file.resolve() for file in taken}
    if path.is_dir():
        kinds: tuple[str, ...] = (PROBS_ENDING,) if any(path.glob(f"*{PROBS_ENDING}")) else NIFTI_ENDINGS
    else:
        kinds = (PROBS_ENDING, *NIFTI_ENDINGS)
    found = list_files("probs", place, kinds)
    free = {name: file for name, file in found.items() if file.resolve() not in known}
    if not free:
        raise DataError(
            f"probs: must be files of probabilities, got the label maps themselves in {place}. Give those with one "
            "channel per class; nnU-Net saves them with --save_probabilities."
        )
    return free


def _find_beside(predictions: Mapping[str, Path]) -> dict[str, Path | None]:
    """nnU-Net's .npz beside each prediction: all of them or none."""
    places = {case_id: path.with_name(strip_ending(path.name) + PROBS_ENDING) for case_id, path in predictions.items()}
    there = {case_id for case_id, place in places.items() if place.is_file()}
    lacking = sorted(places.keys() - there)
    if there and lacking:
        raise DataError(
            f"prediction: must have a .npz of probabilities beside each label map or beside none, got none for "
            f"{join_names(lacking)}. Save them too, or write probs={NO_PROBS} to judge the label maps alone."
        )
    return {case_id: place if there else None for case_id, place in places.items()}


def _find_probs(
    pairs: Mapping[str, tuple[Path, Path]], files: Mapping[str, Path], place: str
) -> dict[str, Path | None]:
    """The probabilities of each case; every case must have them."""
    found = _find_partners(pairs, files, place)
    lacking = sorted(pairs.keys() - found.keys())
    if lacking:
        raise DataError(
            f"probs: must have a file for each case, got none for {join_names(lacking)} in {place}. Name them as the "
            "predictions, or with an end such as _probs."
        )
    return {case_id: found[case_id] for case_id in pairs}


def _find_images(
    pairs: Mapping[str, tuple[Path, Path]], files: Mapping[str, Path], place: str, notes: list[str]
) -> dict[str, Path]:
    found = _find_partners(pairs, files, place)
    lacking = sorted(pairs.keys() - found.keys())
    if lacking:
        notes.append(f"No image for {join_names(lacking)}.")
    return found


def _find_partners(pairs: Iterable[str], files: Mapping[str, Path], place: str) -> dict[str, Path]:
    """The file of each case that has one; a file that was given itself for one case needs no name."""
    cases = list(pairs)
    if len(cases) == 1 and _is_file(place):
        return {cases[0]: next(iter(files.values()))}
    return {own: files[other] for own, other in match_names(cases, files).values()}


def _is_file(place: str) -> bool:
    return Path(place).expanduser().is_file()


def _name_subject(case_id: str, pattern: str | None) -> str:
    if pattern is None:
        return case_id
    match = re.search(pattern, case_id)
    if not match or not match[1]:
        raise DataError(
            f"subject: must find a person in every case, got none in {case_id} with {pattern!r}. "
            r"Write a pattern with one group, e.g. subject='(patient\d+)'."
        )
    return match[1]
