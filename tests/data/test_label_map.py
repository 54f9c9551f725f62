"""From stored values to classes: what a mapping may say, and what comes out of it."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.checks import ConfigError
from mlseg.data.label_map import check_channels, check_labels, count_values, map_labels, read_label_map

LABELS = ("background", "GM", "WM")


def test_keys_may_be_text_and_come_out_as_numbers_in_order() -> None:
    found = read_label_map("S", {"10": "background", 3: "WM", "1": "GM"}, LABELS)
    assert found == {1: "GM", 3: "WM", 10: "background"}
    assert list(found) == [1, 3, 10]


@pytest.mark.parametrize(
    ("label_map", "message"),
    [
        ({"1.5": "GM", "2": "WM"}, r"S: label_map must have stored values .* got '1\.5'"),
        ({"-1": "GM", "2": "WM"}, "got '-1'"),
        ({True: "GM", "2": "WM"}, "got True"),
        ({"70000": "GM", "2": "WM"}, "got '70000'"),
        (
            {"1": "GMM", "2": "WM"},
            r"must lead to one of the labels background, GM, WM, got 'GMM' for 1\. Did you mean GM",
        ),
        ({"0": "background", "1": "GM"}, "must give each label a stored value, got none for WM"),
        ({"0": "background", "2": "WM"}, "got none for GM"),
    ],
)
def test_a_mistake_in_a_mapping_is_one_line(label_map: dict[object, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_label_map("S", label_map, LABELS)
    assert "\n" not in str(caught.value)


def test_the_background_may_be_without_a_stored_value() -> None:
    assert read_label_map("S", {"1": "GM", "2": "WM"}, LABELS) == {1: "GM", 2: "WM"}


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_stored_values_become_class_indices(dtype: type) -> None:
    stored = np.array([[0, 3, 9], [1, 1, 3]], dtype=dtype)
    mapped = map_labels(stored, {0: "background", 1: "WM", 3: "GM", 9: "background"}, LABELS)
    np.testing.assert_array_equal(mapped, [[0, 1, 0], [2, 2, 1]])
    assert mapped.dtype == np.uint8


@pytest.mark.parametrize(
    "values",
    [
        np.array([[3, 0], [3, 200]], dtype=np.uint8),
        np.array([5, -7, 5, 0], dtype=np.int16),
        np.array([2**40, 1], dtype=np.int64),
        np.array([1.0, 2.0, 2.0], dtype=np.float32),
        np.array([1.5, 2.0, -1.0, 2.0]),
        np.array([70000.0, 4464.0]),
        np.zeros((2, 3, 4), dtype=np.float64),
        np.asfortranarray(np.arange(12).reshape(3, 4) % 5),
    ],
)
def test_values_are_counted_as_by_numpy(values: np.ndarray) -> None:
    found, counts = count_values(values)
    expected, expected_counts = np.unique(values, return_counts=True)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(counts, expected_counts)


def test_nan_and_infinity_are_counted() -> None:
    found, counts = count_values(np.array([np.nan, 1.0, np.inf, 1.0]))
    np.testing.assert_array_equal(found, [1, np.inf, np.nan])
    np.testing.assert_array_equal(counts, [2, 1, 1])


@pytest.mark.parametrize("labels", [[], ["background"], ["a", "a"], ["a", ""], ["a", 1], [str(n) for n in range(257)]])
def test_labels_are_different_words(labels: list[str]) -> None:
    with pytest.raises(ConfigError, match="S: labels must be 2 to 256 different names"):
        check_labels("S", labels)
    assert check_labels("S", ["background", "a"]) == ("background", "a")


@pytest.mark.parametrize("channels", [[], ["T1", "T1"], ["T1", "T3"]])
def test_channels_are_some_of_the_known_ones(channels: list[str]) -> None:
    with pytest.raises(ConfigError, match="S: channels must be some of T1, T2, each once"):
        check_channels("S", channels, ["T1", "T2"])
    assert check_channels("S", ["T2", "T1"], ["T1", "T2"]) == ("T2", "T1")
