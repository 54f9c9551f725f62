"""Bad inputs: files of a data set and split files. A function spoils a copy of the phantom, `place.data`."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.data.nifti import read_volume, write_volume

PATIENT = "{data}/training/patient001"
IMAGE, LABEL = f"{PATIENT}/patient001_frame01.nii.gz", f"{PATIENT}/patient001_frame01_gt.nii.gz"
HEAD = "1 problem in acdc. Nothing was trained; correct these files or remove their cases:"
Spoil = Callable[[Any], Any]


def image(place: Any) -> Path:
    return Path(place.fill(IMAGE))


def label(place: Any) -> Path:
    return Path(place.fill(LABEL))


def on(path: Callable[[Any], Path], change: Callable[[Path], Any]) -> Spoil:
    """Change a file."""

    def act(place: Any) -> None:
        change(path(place))

    return act


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def fill(content: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def forbid(path: Path) -> None:
    path.chmod(0)


def edit(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """Write the voxels anew."""

    def write(path: Path) -> None:
        volume = read_volume(path)
        write_volume(path, change(volume.array.copy()), affine=volume.affine)

    return write


def set_header(place: int, values: np.ndarray) -> Callable[[Path], None]:
    """Bytes of the NIfTI header."""

    def write(path: Path) -> None:
        data = bytearray(gzip.decompress(path.read_bytes()))
        data[place : place + values.nbytes] = values.tobytes()
        path.write_bytes(gzip.compress(bytes(data)))

    return write


def empty_folder(place: Any) -> None:
    shutil.rmtree(place.data / "training")


def twice(place: Any) -> None:
    shutil.copytree(place.data / "training/patient001", place.data / "testing/patient001")


def one_subject(place: Any) -> None:
    for patient in list(place.data.glob("training/patient00[2345]")):
        shutil.rmtree(patient)


def fewer_subjects(place: Any) -> None:
    shutil.rmtree(place.data / "training/patient005")


def write_info(place: Any) -> None:
    (place.data / "training/patient001/Info.cfg").write_text("ED: one")


def change_later(place: Any) -> None:
    edit(lambda array: array + 1)(image(place))


def lose_while_reading(place: Any) -> list[str]:
    """A file that is listed, and gone when it is read."""
    from mlseg.data import cache

    lost = image(place)
    hash_files = cache.hash_files

    def hash_and_lose(paths: Any, *, memory: Path) -> dict[Path, str]:
        hashes = hash_files(paths, memory=memory)
        lost.unlink()
        return hashes

    place.patch.setattr(cache, "hash_files", hash_and_lose)
    return ["data.cache_dir={folder}/cache"]


FILES: dict[str, tuple[Spoil, str]] = {
    "a truncated archive": (
        on(label, cut),
        LABEL + ": must be a whole .nii.gz, got a damaged one (*). Download it again.",
    ),
    "a file of no bytes": (on(label, fill(b"")), LABEL + ": must be a whole NIfTI file, got a damaged one (no NIfTI *"),
    "a text": (on(image, fill(b"hello" * 99)), IMAGE + ": must be a whole NIfTI file, got a damaged one (no NIfTI *"),
    "a folder for a file": (on(image, make_folder), IMAGE + ": must be readable, got Is a directory. *"),
    "a link to itself": (on(image, make_loop), IMAGE + ": must be readable, got Too many levels of symbolic links. *"),
    "no reference": (on(label, Path.unlink), LABEL + ": must exist, got no such file. Download it again or *"),
    "gone while reading": (lose_while_reading, IMAGE + ": must exist, got no such file. Download it again or *"),
    "another shape": (on(label, edit(lambda a: a[:, :-2])), LABEL + ": shape must be that of the image, (3, 48, 4*"),
    "a label of no class": (
        on(label, edit(lambda a: np.where(a == 3, 7, a).astype(a.dtype))),
        LABEL
        + ": labels must be whole numbers from 0 to 3 (background, RV, Myo, LV), got 7 in * voxels. Correct the *",
    ),
    "half a label": (on(label, edit(lambda a: a * 0.5)), LABEL + ": labels must be whole *, got 0.5 in *, 1.5 in *"),
    "not a number": (
        on(image, edit(lambda a: np.where(a > a.mean(), np.nan, a))),
        IMAGE + ": intensities must be finite, got NaN or infinity in * voxels. Export the image again.",
    ),
    "no spacing": (
        on(image, set_header(80, np.zeros(3, "<f4"))),
        IMAGE + ": spacing must be above 0, got (0.0, 0.0, 0.0) mm. Correct the header's pixdim.",
    ),
    "another unit": (
        on(image, set_header(123, np.array([3], "u1"))),
        IMAGE + ": lengths must be in mm, got micron in the header's xyzt_units. Bring pixdim *",
    ),
    "a size beyond memory": (
        on(image, set_header(40, np.array([3, 30000, 30000, 30000], "<i2"))),
        IMAGE + ": must be a whole NIfTI file, got a damaged one (*). Download it again.",
    ),
    "an affine of no numbers": (
        on(image, set_header(280, np.full(12, np.nan, "<f4"))),
        IMAGE + ": the affine must be finite, got *. Correct the header.",
    ),
}
FOLDERS: dict[str, tuple[Spoil, str]] = {
    "an empty folder": (empty_folder, "{data}: must hold training/patient001 (*), got no patient folders there. *"),
    "a patient twice": (
        twice,
        "{data}/testing/patient001: a patient must be in one place, got {data}/training/patient001 too. Remove *",
    ),
    "one subject": (one_subject, "split random-0: test must hold at least one subject, got none of 1 on disk. *"),
    "fewer than before": (fewer_subjects, "{run}: belongs to a run on other files or another split: fingerprint *"),
    "other voxels than before": (
        change_later,
        "{run}: belongs to a run on other files or another split: fingerprint *",
    ),
    "an Info.cfg of words": (write_info, PATIENT + "/Info.cfg: ED must be a frame number, got 'one'. *"),
}


def write_split(content: Any) -> Spoil:
    def write(place: Any) -> list[str]:
        text = content if isinstance(content, str) else json.dumps(content)
        (place.folder / "mine.json").write_text(text)
        return ["data.split={folder}/mine.json"]

    return write


def parts(train: list[int], test: list[int]) -> dict[str, list[str]]:
    return {"train": [f"patient00{n}" for n in train], "val": [], "test": [f"patient00{n}" for n in test]}


SPLITS: dict[str, tuple[Any, str, int]] = {
    "a split of no JSON": ("{nope", "{folder}/mine.json: must be a JSON file, got *. Correct it.", 2),
    "a split of brackets": ("[" * 99999, "{folder}/mine.json: must be a JSON file, got *. Correct it.", 2),
    "a split without test": ({"train": [], "val": []}, "{folder}/mine.json: must hold the lists of ids train, *", 2),
    "a split that overlaps": (
        parts([1, 2], [2]),
        "split mine: a subject must be in one part only, got 1 in more: patient002 (train and test). Correct *",
        1,
    ),
    "a split of strangers": (parts([9], [2]), "split mine: all its subjects must be on disk, got 1 of 2 missing (*", 1),
}
# Root reads what it likes.
FORBIDDEN = {"a file without rights": (on(image, forbid), IMAGE + ": must be readable, got Permission denied. *")}

ENTRIES = [
    *(
        {"name": name, "spoil": spoil, "says": (HEAD, says)}
        for name, (spoil, says) in {**FILES, **(FORBIDDEN if os.geteuid() else {})}.items()
    ),
    *({"name": name, "spoil": spoil, "says": says} for name, (spoil, says) in FOLDERS.items()),
    *(
        {"name": name, "spoil": write_split(content), "says": says, "code": code, "fresh": True}
        for name, (content, says, code) in SPLITS.items()
    ),
]
