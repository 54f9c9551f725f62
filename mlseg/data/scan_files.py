"""Which files are a scan to predict: one file, the channels of one case, a folder in nnU-Net's naming, or any folder.

nnU-Net names the channels of a case `<case>_0000.nii.gz`, `<case>_0001.nii.gz`, ... Elsewhere a channel's name ends the
file's, as in BraTS: `<case>_t1.nii.gz` or `<case>-t1n.nii.gz`. A file without either is a case, with all its channels.

Source: Isensee et al., Nature Methods 18, 2021 (nnU-Net's naming).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlseg.checks import DataError
from mlseg.data.acdc import name_frames, read_info
from mlseg.data.brats import CHANNELS as BRATS_CHANNELS
from mlseg.data.matching import LABEL_SUFFIXES, NIFTI_ENDINGS, join_names, strip_ending
from mlseg.types import CaseFiles

TEST_IMAGES = "imagesTs"
_NUMBER = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
_NAMED = re.compile(r"(?P<case>.+)[_-](?P<channel>[A-Za-z0-9]+)")
_CINE = re.compile(r"(?P<patient>patient\d+)_frame(?P<frame>\d+)")
_CINE_4D = re.compile(r"(?P<patient>patient\d+)_4d")
_DEEPEST = 4


def list_given(paths: Sequence[Path], *, channels: Sequence[str]) -> CaseFiles:
    """The case that files given one by one make: its channels in their order, or one file that holds them all.

    A single file that is nnU-Net's channel of a case stands for all of that case.

    Raises:
        DataError: no such file, or not as many as there are channels.
    """
    for path in paths:
        if not path.is_file() or not path.name.endswith(NIFTI_ENDINGS):
            what = "another file" if path.is_file() else "no such file"
            raise DataError(f"{path}: must be a .nii.gz or .nii file, got {what}. Correct input=...")
    if len(paths) not in (1, len(channels)):
        raise DataError(
            f"input: must be one file for each of the channels {', '.join(channels)}, or one that holds them all, "
            f"got {len(paths)} files. Give a folder for several cases."
        )
    stem = strip_ending(paths[0].name)
    case_id, channel = split_channel(stem, channels)
    if len(paths) == 1 and channel is not None and len(channels) > 1:
        beside = {strip_ending(p.name): p for p in _list_images(paths[0].parent)}
        own = {name: path for name, path in beside.items() if split_channel(name, channels, beside)[0] == case_id}
        return _join_channels(own, channels)[0]
    return _make_case(case_id if channel is not None else stem, tuple(paths))


def list_folder(folder: Path, *, channels: Sequence[str]) -> list[CaseFiles]:
    """The cases of a folder, sorted by case id; of a data set of nnU-Net or the Decathlon those in imagesTs.

    Files are grouped within their own folder; where this one holds none itself, the folders below it are looked
    through. Reference label maps beside their images are left out, and so are ACDC's 4-D files beside their frames.

    Raises:
        DataError: no images, a channel is missing, or two cases of one name.
    """
    if (folder / TEST_IMAGES).is_dir():
        folder = folder / TEST_IMAGES
    cases = _join_channels({strip_ending(p.name): p for p in _list_images(folder)}, channels)
    if not cases:
        deeper = sorted({path.parent for depth in range(1, _DEEPEST) for path in folder.glob("*/" * depth + "*.nii*")})
        for place in deeper:
            cases += _join_channels({strip_ending(p.name): p for p in _list_images(place)}, channels)
    if not cases:
        raise DataError(
            f"{folder}: must hold .nii.gz or .nii images, got none. Give a file, or another folder as input=..."
        )
    twice = [case_id for case_id, count in Counter(case.case_id for case in cases).items() if count > 1]
    if twice:
        raise DataError(
            f"{folder}: must hold each case once, got {join_names(twice)} twice. Give one folder at a time."
        )
    return sorted(cases, key=lambda case: case.case_id)


def split_channel(stem: str, channels: Sequence[str], beside: Collection[str] = ()) -> tuple[str, int | None]:
    """The case of a file's name, and the number of its channel; None if the name says none.

    Args:
        stem: the name without ending.
        channels: channel names; a number is one of them, for it may as well be a year,
        beside: or has the first channel among these names.

    Example:
        >>> split_channel("heart_0000", ["MR"]), split_channel("heart_2020", ["MR"])
        (('heart', 0), ('heart_2020', None))
        >>> split_channel("p1-t1c", ["T1", "T1ce"])
        ('p1', 1)
    """
    numbered = _NUMBER.fullmatch(stem)
    if numbered and (int(numbered["channel"]) < len(channels) or f"{numbered['case']}_0000" in beside):
        return numbered["case"], int(numbered["channel"])
    named = _NAMED.fullmatch(stem)
    if named and len(channels) > 1:
        for index, channel in enumerate(channels):
            if named["channel"].lower() in {channel.lower(), *BRATS_CHANNELS.get(channel, ())}:
                return named["case"], index
    return stem, None


def name_cine_frames(cases: Sequence[CaseFiles]) -> list[CaseFiles]:
    """The cases, those named as ACDC's (patient001_frame01) with their patient and, where it is known, ED or ES.

    Info.cfg beside the image or the reference says which frame is which. Without it nothing does: ED comes first in
    most patients, but not in all of them.
    """
    return [_name_cine_frame(case) if not case.frame else case for case in cases]


def _name_cine_frame(case: CaseFiles) -> CaseFiles:
    match = _CINE.fullmatch(case.case_id)
    if match is None:
        return case
    near = [path.with_name("Info.cfg") for path in (case.images[0], case.target) if path is not None]
    info = next((path for path in near if path.is_file()), None)
    frames = {} if info is None else name_frames(info, read_info(info), [])
    return replace(case, subject_id=match["patient"], frame=frames.get(int(match["frame"]), ""))


def _list_images(folder: Path) -> list[Path]:
    """The images of a folder: no hidden files, no label maps beside their image, no cine beside its frames."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: must be a readable folder, got {error.strerror}. Correct input=...") from error
    stems = {strip_ending(name): name for name in names if name.endswith(NIFTI_ENDINGS) and not name.startswith(".")}
    return [folder / name for stem, name in stems.items() if not _is_aside(stem, stems)]


def _is_aside(stem: str, stems: Collection[str]) -> bool:
    """Whether a file only lies beside what is to be predicted."""
    others = set(stems)
    suffix = next((end for end in LABEL_SUFFIXES if stem.lower().endswith(end)), "")
    base = stem[: len(stem) - len(suffix)]
    if suffix and (base in others or any(other.startswith((f"{base}_", f"{base}-")) for other in others - {stem})):
        return True
    # BraTS of 2023 has dashes.
    if stem.endswith("-seg") and any(other.startswith(stem.removesuffix("seg")) for other in others - {stem}):
        return True
    cine = _CINE_4D.fullmatch(stem)
    return cine is not None and any(other.startswith(f"{cine['patient']}_frame") for other in others)


def _join_channels(files: Mapping[str, Path], channels: Sequence[str]) -> list[CaseFiles]:
    """Files by their names -> cases; every case has one file with all channels, or one for each."""
    groups: dict[str, dict[int | None, Path]] = {}
    for stem, path in files.items():
        case_id, channel = split_channel(stem, channels, files)
        if channel in groups.setdefault(case_id, {}):
            raise DataError(
                f"{path}: must be the only file of its channel, got {groups[case_id][channel]} too. Remove one of them."
            )
        groups[case_id][channel] = path
    return [_make_case(case_id, _order_channels(case_id, found, channels)) for case_id, found in groups.items()]


def _order_channels(case_id: str, found: Mapping[int | None, Path], channels: Sequence[str]) -> tuple[Path, ...]:
    if None in found:
        if len(found) > 1:
            both = " and ".join(str(path) for path in list(found.values())[:2])
            raise DataError(f"{case_id}: must be one file, or one per channel, got {both}. Remove one of them.")
        return (found[None],)
    missing = [name for index, name in enumerate(channels) if index not in found]
    beyond = [path for index, path in found.items() if index is not None and index >= len(channels)]
    first = next(iter(found.values()))
    if missing:
        raise DataError(
            f"{first.parent / case_id}: must have a file for each of the channels {', '.join(channels)}, got none for "
            f"{', '.join(missing)}. Add it, e.g. {case_id}_{channels.index(missing[0]):04d}.nii.gz."
        )
    if beyond:
        raise DataError(
            f"{beyond[0]}: must be one of {len(channels)} channels ({', '.join(channels)}), numbered from 0000, got "
            "one more. Take it away if the network was trained without it."
        )
    return tuple(found[index] for index in range(len(channels)))


def _make_case(case_id: str, images: tuple[Path, ...]) -> CaseFiles:
    return CaseFiles(case_id=case_id, subject_id=case_id, images=images, target=None)
