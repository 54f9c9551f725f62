"""nnU-Net's .npz of both versions: the crop is undone, the grid is read, what does not fit is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.grids import Steps
from mlseg.data.nnunet_output import StoredProbs, arrange, find_known_steps, list_arrangements, read_npz

AFFINE = np.array([[-1.5, 0, 0, 20], [0, -1.5, 0, 30], [0, 0, 8, -5], [0, 0, 0, 1]], dtype=float)
SHAPE = (3, 5, 4)
# What SimpleITK says of a file with that affine.
ITK = {"spacing": (1.5, 1.5, 8.0), "origin": (-20.0, -30.0, -5.0), "direction": (1, 0, 0, 0, 1, 0, 0, 0, 1)}


def draw_probs(shape: tuple[int, ...] = SHAPE, classes: int = 3) -> np.ndarray:
    logits = np.random.default_rng(1).normal(size=(classes, *shape))
    return (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float32)


def write(folder: Path, name: str, array: np.ndarray, properties: Any = None) -> Path:
    path = folder / "a.npz"
    np.savez_compressed(path, **{name: array})
    if properties is not None:
        path.with_suffix(".pkl").write_bytes(pickle.dumps(properties))
    return path


def test_version_2_is_the_whole_image(tmp_path: Path) -> None:
    probs = draw_probs()
    stored = read_npz(write(tmp_path, "probabilities", probs), with_grid=False)
    np.testing.assert_array_equal(stored.array, probs)
    assert stored.affine is None


@pytest.mark.parametrize(
    "properties",
    [
        {"sitk_stuff": ITK},
        {"nibabel_stuff": {"original_affine": AFFINE}},
        {"nibabel_stuff": {"original_affine": np.eye(4), "reoriented_affine": AFFINE}},
    ],
    ids=["SimpleITK", "nibabel", "nibabel-reoriented"],
)
def test_the_grid_of_version_2_is_read_where_nothing_else_tells_it(tmp_path: Path, properties: dict[str, Any]) -> None:
    stored = read_npz(write(tmp_path, "probabilities", draw_probs(), properties), with_grid=True)
    np.testing.assert_allclose(stored.affine, AFFINE)


def test_version_1_is_put_back_into_the_image(tmp_path: Path) -> None:
    probs = draw_probs((2, 3, 4)).astype(np.float16)
    properties = {"crop_bbox": [[1, 3], [0, 3], [0, 4]], "original_size_of_raw_data": np.array(SHAPE)}
    properties.update({f"itk_{name}": value for name, value in ITK.items()})
    # An ensemble of version 1 leaves a list of its members' properties.
    for record in (properties, [properties, properties]):
        stored = read_npz(write(tmp_path, "softmax", probs, record), with_grid=False)
        np.testing.assert_array_equal(stored.array[:, 1:, :3], probs)
        outside = np.ones(SHAPE, dtype=bool)
        outside[1:, :3] = False
        assert stored.array.shape == (3, *SHAPE)
        np.testing.assert_array_equal(stored.array[:, outside], np.array([[1], [0], [0]]).repeat(outside.sum(), 1))
        np.testing.assert_allclose(stored.affine, AFFINE)


@pytest.mark.parametrize(
    ("box", "size"),
    [([[2, 4], [0, 3], [0, 4]], SHAPE), ([[-1, 1], [0, 3], [0, 4]], SHAPE), ([[1, 3], [0, 3]], SHAPE), (3, SHAPE)],
)
def test_a_box_that_does_not_fit_is_refused(tmp_path: Path, box: Any, size: Any) -> None:
    path = write(
        tmp_path, "softmax", draw_probs((2, 3, 4)), {"crop_bbox": box, "original_size_of_raw_data": np.array(size)}
    )
    with pytest.raises(DataError, match=r"a\.npz: must fit into the image by its \.pkl, got \(2, 3, 4\) voxels"):
        read_npz(path, with_grid=False)


def test_region_based_outputs_of_version_1_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "softmax", draw_probs(), {"regions_class_order": (1, 2, 3)})
    with pytest.raises(DataError, match="region-based sigmoids, which overlap"):
        read_npz(path, with_grid=False)


def test_a_pickle_that_is_needed_must_be_there_and_say_the_grid(tmp_path: Path) -> None:
    path = write(tmp_path, "probabilities", draw_probs())
    with pytest.raises(DataError, match=r"a\.pkl: must lie beside the \.npz"):
        read_npz(path, with_grid=True)
    for record in (
        {},
        {"sitk_stuff": {**ITK, "direction": (1, 0, 0, 1)}},
        {"nibabel_stuff": {"original_affine": None}},
    ):
        write(tmp_path, "probabilities", draw_probs(), record)
        with pytest.raises(DataError, match="must say on which grid the probabilities lie"):
            read_npz(path, with_grid=True)
    write(tmp_path, "probabilities", draw_probs(), "text")
    with pytest.raises(DataError, match=r"must hold nnU-Net's properties of the case, got str"):
        read_npz(path, with_grid=True)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold probabilities \(nnU-Net v2\) or softmax \(v1\), got logits"):
        read_npz(write(tmp_path, "logits", draw_probs()), with_grid=False)
    with pytest.raises(DataError, match=r"must be floating-point \(K,D,H,W\), got int64"):
        read_npz(write(tmp_path, "softmax", np.zeros((2, 3, 4, 5), dtype=np.int64)), with_grid=False)
    with pytest.raises(DataError, match="must be readable"):
        read_npz(tmp_path / "b.npz", with_grid=False)
    path = write(tmp_path, "probabilities", draw_probs())
    whole = path.read_bytes()
    bare = tmp_path / "bare.npy"
    np.save(bare, draw_probs())
    objects = tmp_path / "objects.npz"
    np.savez(objects, probabilities=np.array([None]))
    for content in (whole[:-30], whole[:400] + b"?" + whole[401:], b"", bare.read_bytes(), objects.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz: must be a whole \.npz file"):
            read_npz(path, with_grid=False)


def test_every_way_to_store_the_axes_is_among_the_arrangements() -> None:
    probs = draw_probs()
    reoriented = probs[..., ::-1, ::-1]
    for stored in (probs, reoriented, probs.transpose(0, 3, 2, 1), reoriented.transpose(0, 3, 2, 1)):
        found = list_arrangements(StoredProbs(path=Path("a"), array=stored), AFFINE, SHAPE)
        assert any(np.array_equal(arrange(stored, steps), probs) for steps in found.values())
    assert list(list_arrangements(StoredProbs(path=Path("a"), array=probs), AFFINE, SHAPE)) == [
        "in the axes of the file",
        "reoriented to RAS",
    ]
    assert list_arrangements(StoredProbs(path=Path("a"), array=probs[:, 1:]), AFFINE, SHAPE) == {}


def test_the_grid_of_the_pickle_comes_first() -> None:
    flipped = Steps((0, 1, 2), (False, True, False))
    stored = StoredProbs(path=Path("a"), array=draw_probs(), affine=flipped.move_affine(AFFINE, SHAPE))
    assert next(iter(list_arrangements(stored, AFFINE, SHAPE).items())) == ("as its .pkl says", (flipped,))


def test_the_pkl_alone_tells_the_steps_onto_a_grid(tmp_path: Path) -> None:
    path = write(tmp_path, "probabilities", draw_probs())
    stored = read_npz(path, with_grid=False)
    assert find_known_steps(stored, AFFINE, SHAPE) is None
    flipped = Steps((0, 1, 2), (True, True, False))
    record = {"nibabel_stuff": {"reoriented_affine": flipped.move_affine(AFFINE, SHAPE)}}
    path.with_suffix(".pkl").write_bytes(pickle.dumps(record))
    assert find_known_steps(stored, AFFINE, SHAPE) == flipped
    # Another grid than that of the image.
    assert find_known_steps(stored, np.eye(4), SHAPE) is None
