"""Which files belong together by their names: listed by name, equal but for an end such as _gt."""

from __future__ import annotations

import glob
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlseg.checks import DataError

NIFTI_ENDINGS = (".nii.gz", ".nii")
PROBS_ENDING = ".npz"
# Ends of a name that say what a file is, not of which case; "_0000" is nnU-Net's first channel.
LABEL_SUFFIXES = ("_gt", "_seg", "_segm", "_segmentation", "_label", "_labels", "_mask", "_pred", "_prediction")
OTHER_SUFFIXES = ("_prob", "_probs", "_probabilities", "_softmax", "_0000")
SUFFIXES = (*LABEL_SUFFIXES, *OTHER_SUFFIXES)
_SHOWN = 3


def list_files(role: str, place: str, endings: Sequence[str]) -> dict[str, Path]:
    """The files of a place by their names without ending; hidden ones, such as a Mac's `._*`, are left out.

    Raises:
        DataError: there are none, or two have one name.
    """
    path = Path(place).expanduser()
    try:
        found = sorted(path.iterdir()) if path.is_dir() else sorted(map(Path, glob.glob(str(path), recursive=True)))
    except OSError as error:
        raise DataError(f"{path}: must be readable, got {error.strerror}. Change its rights.") from error
    found = [path] if path.is_file() else found
    kept = [file for file in found if file.name.endswith(tuple(endings)) and not file.name.startswith(".")]
    if not kept:
        what = f"{len(found)} files of other kinds" if found else "nothing there"
        raise DataError(
            f"{role}: must be a {' or '.join(endings)} file, a folder of them, or a pattern with * in quotes, "
            f"got {what} for {place}. Correct {role}=..."
        )
    stems = Counter(strip_ending(file.name) for file in kept)
    twice = [name for name, count in stems.items() if count > 1]
    if twice:
        both = [str(file) for file in kept if strip_ending(file.name) == twice[0]]
        raise DataError(
            f"{role}: must have one file of each name, got {' and '.join(both[:2])}. Rename them, or write a pattern "
            "that leaves one out."
        )
    return {strip_ending(file.name): file for file in kept}


def strip_ending(name: str) -> str:
    """The name of a file without .nii, .nii.gz or .npz."""
    return name.removesuffix(".gz").removesuffix(".nii").removesuffix(PROBS_ENDING)


def strip_suffix(stem: str) -> str:
    """The case of a name: without one of SUFFIXES, whatever its case.

    Example:
        >>> strip_suffix("patient001_frame01_gt"), strip_suffix("BraTS_7_SEG"), strip_suffix("case_01")
        ('patient001_frame01', 'BraTS_7', 'case_01')
    """
    end = max((suffix for suffix in SUFFIXES if stem.lower().endswith(suffix)), key=len, default="")
    return stem[: len(stem) - len(end)] or stem


def keep_label_maps(files: Mapping[str, Path]) -> dict[str, Path]:
    """The files without those that only lie beside label maps: of one case, what ends like probabilities or an image.

    Example:
        >>> list(keep_label_maps({"a": Path("a.nii"), "a_probs": Path("a_probs.nii"), "b_probs": Path("b_probs.nii")}))
        ['a', 'b_probs']
    """
    others = {name for name in files if name.lower().endswith(OTHER_SUFFIXES)}
    cases = {strip_suffix(name) for name in files if name not in others}
    return {name: path for name, path in files.items() if name not in others or strip_suffix(name) not in cases}


def match_names(left: Iterable[str], right: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Case -> (name on the left, name on the right): equal names first, then those equal without a suffix.

    Raises:
        DataError: two names of one side could belong to one of the other.

    Example:
        >>> match_names(["a", "b_pred", "c"], ["a", "b_gt"])
        {'a': ('a', 'a'), 'b': ('b_pred', 'b_gt')}
    """
    lefts, rights = list(left), set(right)
    pairs = {name: (name, name) for name in lefts if name in rights}
    ours, theirs = (_group_by_case(name for name in names if name not in pairs) for names in (lefts, sorted(rights)))
    for key in ours:
        names = max(ours[key], theirs.get(key, []), key=len)
        if key not in theirs:
            continue
        if len(names) > 1 or key in pairs:
            names = names if len(names) > 1 else [key, *names]
            raise DataError(
                f"{key}: must be one file on each side, got {' and '.join(names[:2])}. Write a pattern in quotes that "
                f"leaves one out, e.g. '*{names[1].removeprefix(key)}.nii.gz'."
            )
        pairs[key] = (ours[key][0], theirs[key][0])
    return pairs


def check_apart(role: str, pairs: Iterable[tuple[Path, Path]]) -> None:
    """Raise DataError if a file is paired with itself, which would agree perfectly.

    Args:
        role: what the first file of each pair is; the second is the reference.
    """
    for own, other in pairs:
        if own.resolve() == other.resolve():
            places = [f"'{path.parent / name}.nii.gz'" for path, name in ((own, "*_pred"), (other, "*_gt"))]
            raise DataError(
                f"{role}: must be another file than the reference, got {own} for both. Give other folders, or patterns "
                f"in quotes, e.g. {role}={places[0]} reference={places[1]}."
            )


def join_names(names: Iterable[str]) -> str:
    """The first few names, and how many there are more."""
    listed = sorted(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{', '.join(listed[:_SHOWN])}{more}"


def _group_by_case(names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[strip_suffix(name)].append(name)
    return groups
