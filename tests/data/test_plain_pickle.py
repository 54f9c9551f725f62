"""Plain values come back as they were written; anything else is refused and never executed."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.plain_pickle import read_plain_pickle

PLAIN = {
    "crop_bbox": [[0, 10], [2, 5], (3, 9)],
    "size": np.array([10, 20, 30]),
    "spacing": (1.5, 1.25, np.float64(10.0)),
    "nothing": None,
    "nested": OrderedDict(a=[{"b": True}], c="text", d=b"raw"),
}


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_plain_values_and_arrays_come_back(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(PLAIN, protocol=protocol))
    found = read_plain_pickle(path)
    assert isinstance(found.pop("size"), np.ndarray)
    assert found == {key: value for key, value in PLAIN.items() if key != "size"}
    assert type(found["spacing"][2]) is float


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">i2").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.array([True, False]),
        np.zeros((0, 3)),
        np.array(7, dtype=np.uint8),
        np.arange(6.0).reshape(2, 3)[:, ::2],
    ],
    ids=["big-endian", "fortran", "bool", "empty", "scalar", "strided"],
)
def test_arrays_of_every_layout(tmp_path: Path, array: np.ndarray, protocol: int) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(array, protocol=protocol))
    found = read_plain_pickle(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_names_of_older_numpy_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(np.arange(3), protocol=3).replace(b"numpy._core", b"numpy.core"))
    assert read_plain_pickle(path).tolist() == [0, 1, 2]


def test_arrays_of_objects_and_text_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"objects": np.array([None, 1]), "text": np.array(["a"]), "n": 1}))
    assert read_plain_pickle(path) == {"objects": None, "text": None, "n": 1}


class Attack:
    """Pickles to a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_executed(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    attacks = [
        Attack(os.system, f"touch {mark}"),
        Attack(eval, f"open({str(mark)!r}, 'w')"),
        Attack(open, str(mark), "w"),
        Attack(np.load, str(mark)),
        Attack(getattr, "a", "join"),
        Path("a"),
    ]
    path = tmp_path / "a.pkl"
    for attack in attacks:
        path.write_bytes(pickle.dumps({"crop_bbox": [1], "other": attack}, protocol=protocol))
        with pytest.raises(DataError, match=r"a\.pkl: must be a whole pickle file.*nothing of it was executed"):
            read_plain_pickle(path)
    assert not mark.exists()


def test_made_up_states_reach_neither_numpy_nor_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    head = b"\x80\x03cnumpy.core.multiarray\n_reconstruct\n"
    # Attributes set on a stand-in; a dtype state of objects over raw bytes; arguments that make no sense.
    bodies = [
        head + b"}U\x08__name__U\x01xsb.",
        head + b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01K\x01\x85cnumpy\ndtype\nX\x02\x00\x00\x00O8K\x00K\x01\x87R"
        b"\x89C\x08AAAAAAAAtb.",
        head + b"K\x01\x85R.",
        b"\x80\x03cnumpy.core.multiarray\nscalar\nK\x01K\x02\x86R.",
        b"\x80\x03cnumpy\nndarray\n)\x81.",
    ]
    for body in bodies:
        path.write_bytes(body)
        try:
            found = read_plain_pickle(path)
        except DataError:
            continue
        assert found is None
    test_names_of_older_numpy_are_known(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(PLAIN)[:-20], b"\x80\x04]\x94h\x00a."])
def test_damaged_files_are_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(DataError, match="must be a whole pickle file") as caught:
        read_plain_pickle(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.pkl: must be readable"):
        read_plain_pickle(tmp_path / "a.pkl")
