"""One saved case, whatever its axes: everything ends on the grid of the reference, or a line says why not."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.grids import ALL_STEPS, Steps, find_ras_steps
from mlseg.data.nifti import write_volume
from mlseg.data.predictions import SavedReader, measure_agreement
from mlseg.data.saved_files import SavedFiles

LABELS = ("background", "RV", "LV")
AFFINE = np.array([[-1.5, 0, 0, 20], [0, -1.25, 0, 30], [0, 0, 8, -5], [0, 0, 0, 1]], dtype=float)
SHAPE = (3, 6, 6)
READER = SavedReader(labels=LABELS)


def draw_probs() -> np.ndarray:
    logits = np.random.default_rng(1).normal(size=(3, *SHAPE))
    return (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float32)


PROBS = draw_probs()
MAP = PROBS.argmax(0).astype(np.uint8)
TARGET = np.roll(MAP, 1, axis=2)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an array (D,H,W) or (K,D,H,W) of the reference's grid in other axes."""

    def call(name: str, array: np.ndarray, steps: Steps = Steps(), affine: np.ndarray = AFFINE) -> Path:  # noqa: B008
        write_volume(tmp_path / name, steps.apply(array), affine=steps.move_affine(affine, array.shape[-3:]))
        return tmp_path / name

    return call


@pytest.fixture
def files(write: Callable[..., Path]) -> SavedFiles:
    return SavedFiles(
        case_id="a",
        subject_id="s",
        reference=write("ref.nii.gz", TARGET),
        prediction=write("pred.nii.gz", MAP),
        probs=write("probs.nii.gz", PROBS),
    )


def change(files: SavedFiles, **changes: Path | None) -> SavedFiles:
    return SavedFiles(**{**vars(files), **changes})


def write_npz(folder: Path, array: np.ndarray, name: str = "probabilities") -> Path:
    np.savez(folder / "a.npz", **{name: array})
    return folder / "a.npz"


def check(files: SavedFiles, reader: SavedReader = READER, *, atol: float = 0) -> str:
    """Read, and compare with what was written; returns how the axes were found."""
    case = reader.read(files)
    np.testing.assert_array_equal(case.prediction.target, TARGET)
    np.testing.assert_allclose(case.prediction.probs, PROBS, rtol=0, atol=atol)
    if files.prediction is not None:
        np.testing.assert_array_equal(case.prediction.segmentation, MAP)
        assert case.agreement == 1
    return case.arrangement


def test_files_on_one_grid(files: SavedFiles) -> None:
    assert check(files) == "as its header says"
    prediction = READER.read(files).prediction
    assert (prediction.case_id, prediction.subject_id, prediction.spacing_mm) == ("a", "s", (8.0, 1.25, 1.5))
    assert prediction.probs.dtype.itemsize == 4


@pytest.mark.parametrize("steps", ALL_STEPS[::5], ids=str)
def test_files_in_other_axes(files: SavedFiles, write: Callable[..., Path], steps: Steps) -> None:
    other = ALL_STEPS[7]
    check(change(files, prediction=write("p.nii", MAP, steps), probs=write("q.nii", PROBS, other)))
    check(change(files, prediction=None, probs=write("q.nii", PROBS, steps)))


@pytest.mark.parametrize("steps", ALL_STEPS[::7], ids=str)
def test_npz_in_every_frame(files: SavedFiles, write: Callable[..., Path], tmp_path: Path, steps: Steps) -> None:
    prediction = write("p.nii", MAP, steps)
    stored, affine = steps.apply(PROBS), steps.move_affine(AFFINE, SHAPE)
    reoriented = find_ras_steps(affine).apply(stored)
    for array in (stored, reoriented, stored.transpose(0, 3, 2, 1), reoriented.transpose(0, 3, 2, 1)):
        check(change(files, prediction=prediction, probs=write_npz(tmp_path, array)))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"nibabel_stuff": {"original_affine": affine}}))
    assert check(change(files, prediction=None, probs=write_npz(tmp_path, stored))) == "as its .pkl says"


def test_npz_of_version_1(files: SavedFiles, tmp_path: Path) -> None:
    inner = (slice(None), slice(1, 3), slice(0, 6), slice(0, 5))
    outside = np.ones(SHAPE, dtype=bool)
    outside[inner[1:]] = False
    half = PROBS.astype(np.float16)
    whole = np.where(outside, np.array([1, 0, 0]).reshape(3, 1, 1, 1), half).astype(np.float32)
    prediction = tmp_path / "p.nii"
    write_volume(prediction, whole.argmax(0).astype(np.uint8), affine=AFFINE)
    path = write_npz(tmp_path, half[inner], "softmax")
    with pytest.raises(DataError, match=r"a\.npz: must hold probabilities of \(3, 6, 6\) voxels.*\.pkl"):
        READER.read(change(files, prediction=prediction, probs=path))
    properties = {"crop_bbox": [[1, 3], [0, 6], [0, 5]], "original_size_of_raw_data": np.array(SHAPE)}
    path.with_suffix(".pkl").write_bytes(pickle.dumps(properties))
    case = READER.read(change(files, prediction=prediction, probs=path))
    np.testing.assert_array_equal(case.prediction.probs, whole)
    assert case.agreement == 1


def test_label_maps_alone(files: SavedFiles) -> None:
    case = READER.read(change(files, probs=None))
    assert case.prediction.probs is None
    assert (case.agreement, case.arrangement) == (None, "")


def test_a_map_that_was_processed_further_agrees_less(files: SavedFiles, write: Callable[..., Path]) -> None:
    processed = MAP.copy()
    processed[0, 0] = 0
    lower = change(files, prediction=write("p.nii", processed))
    share = measure_agreement(MAP, processed)
    wanted = rf"probs.nii.gz: .* at least 0.99 of the foreground, got {share:.4f} at best .*Write agreement=0\.9"
    with pytest.raises(DataError, match=wanted):
        READER.read(lower)
    with pytest.raises(DataError, match="It is of another case"):
        READER.read(change(files, prediction=write("p.nii", TARGET)))
    write("p.nii", processed)
    case = SavedReader(labels=LABELS, min_agreement=0.5).read(lower)
    assert case.agreement == share
    np.testing.assert_array_equal(case.prediction.segmentation, processed)


def test_stored_values_become_classes(files: SavedFiles, write: Callable[..., Path]) -> None:
    stored = np.array([0, 2, 5], dtype=np.int16)
    reader = SavedReader(labels=LABELS, label_map={0: "background", 2: "RV", 5: "LV"})
    mapped = change(
        files, reference=write("r.nii", stored[TARGET]), prediction=write("p.nii", stored[MAP].astype(float))
    )
    check(mapped, reader)
    with pytest.raises(DataError, match=r"ref.nii.gz: a label map must hold whole numbers from 0, 2, 5 .*got 1 in"):
        reader.read(files)


def test_images_are_put_on_the_grid(files: SavedFiles, write: Callable[..., Path]) -> None:
    image = np.stack([np.arange(108.0).reshape(SHAPE), np.zeros(SHAPE)])
    image[0, 0, 0, 0] = np.nan
    case = READER.read(change(files, image=write("i.nii", image, ALL_STEPS[9])))
    np.testing.assert_array_equal(case.image, np.nan_to_num(image[0]))


def test_sums_that_rounding_explains_are_divided_out(files: SavedFiles, write: Callable[..., Path]) -> None:
    case = READER.read(change(files, probs=write("q.nii", (PROBS * 1.004).astype(np.float32))))
    assert case.sum_error == pytest.approx(0.004, rel=1e-3)
    np.testing.assert_allclose(case.prediction.probs, PROBS, rtol=1e-6)
    assert READER.read(change(files, probs=write("q.nii", (PROBS * 1.0005).astype(np.float32)))).sum_error == 0


@pytest.mark.parametrize(
    ("change_probs", "message"),
    [
        (
            lambda p: p * 0.97,
            r"must sum to 1 over the classes, got sums from 0.97 to 0.97. Sigmoids, such as nnU-Net's",
        ),
        (np.log, r"must lie in \[0, 1\], got values"),
        (lambda p: p * np.nan, "NaN"),
        (lambda p: p[:2], r"one channel per label \(background, RV, LV\), got 2"),
        (lambda p: p[0], r"one channel per label \(background, RV, LV\), got 1"),
        (lambda p: p[:, :2], r"must lie on the grid of .*pred.nii.gz, got \(2, 6, 6\) voxels"),
    ],
    ids=["sigmoid", "logits", "nan", "region-based", "one", "cut"],
)
def test_what_is_no_probability_is_refused_by_name(
    files: SavedFiles, write: Callable[..., Path], change_probs: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    with np.errstate(all="ignore"), pytest.raises(DataError, match=rf"q\.nii: .*{message}"):
        READER.read(change(files, probs=write("q.nii", np.asarray(change_probs(PROBS), dtype=np.float32))))


def test_another_grid_is_refused(files: SavedFiles, write: Callable[..., Path]) -> None:
    shifted = AFFINE.copy()
    shifted[2, 3] += 4
    moved = change(files, prediction=write("p.nii", MAP, affine=shifted), probs=None)
    with pytest.raises(DataError, match=r"p\.nii: must lie on the grid of .*ref\.nii\.gz, got an affine .* 4 mm away"):
        READER.read(moved)
    turned = change(files, prediction=write("p.nii", MAP.transpose(1, 0, 2)), probs=None)
    with pytest.raises(DataError, match=r"got \(6, 3, 6\) voxels \(d,h,w\) beside \(3, 6, 6\), in no order"):
        READER.read(turned)


def test_every_bad_file_is_in_one_report(files: SavedFiles, write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "p.nii").write_bytes(b"no image")
    bad = change(files, reference=write("r.nii", TARGET + 0.5), prediction=tmp_path / "p.nii", probs=tmp_path / "a.npz")
    with pytest.raises(DataError) as caught:
        READER.read(bad)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(tmp_path / name) for name in ("r.nii", "p.nii", "a.npz")]


def test_agreement_is_that_of_the_foreground() -> None:
    assert measure_agreement(np.array([0, 0, 1, 2, 0]), np.array([0, 0, 1, 1, 2])) == 1 / 3
    assert np.isnan(measure_agreement(np.zeros(3), np.zeros(3)))
