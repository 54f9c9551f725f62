"""From the values that a file stores to classes: the mapping that a data set or its YAML spells out."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlseg.checks import ConfigError, find_label_problem


def check_labels(owner: str, labels: Sequence[str]) -> tuple[str, ...]:
    """Class names, background first, as a tuple. Raises ConfigError unless they are 2 to 256 different words."""
    problem = find_label_problem(labels)
    if problem:
        raise ConfigError(f"{owner}: labels {problem}. Write e.g. [background, tumour].")
    return tuple(labels)


def check_channels(owner: str, channels: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Channel names as a tuple. Raises ConfigError unless they are some of the known ones, each once."""
    unknown = [channel for channel in channels if channel not in known]
    if unknown or not channels or len(set(channels)) != len(channels):
        raise ConfigError(
            f"{owner}: channels must be some of {', '.join(known)}, each once, got {list(channels)}."
            f"{_suggest(unknown, known)}"
        )
    return tuple(channels)


def read_label_map(owner: str, label_map: Mapping[Any, str], labels: Sequence[str]) -> dict[int, str]:
    """A mapping of stored values to class names, checked, with whole numbers as keys, in ascending order.

    Args:
        label_map: stored value -> name; the values may be text, as a YAML and the command line have them.
        labels: the class names, background first.

    Raises:
        ConfigError: a key is no whole number of at least 0, a name is no class, or a class but the background gets no
            stored value.

    Example:
        >>> read_label_map("Source", {"4": "tumour", "0": "background"}, ["background", "tumour"])
        {0: 'background', 4: 'tumour'}
    """
    found: dict[int, str] = {}
    for key, name in label_map.items():
        text = str(key)
        if not text.isdecimal() or int(text) >= 2**16:
            raise ConfigError(
                f"{owner}: label_map must have stored values (whole numbers from 0 to 65535) as keys, got {key!r}. "
                "Write e.g. {'0': background, '1': tumour}."
            )
        if name not in labels:
            raise ConfigError(
                f"{owner}: label_map must lead to one of the labels {', '.join(labels)}, got {name!r} for {text}."
                f"{_suggest([str(name)], labels)}"
            )
        found[int(text)] = name
    unused = [label for label in labels[1:] if label not in found.values()]
    if unused:
        raise ConfigError(
            f"{owner}: label_map must give each label a stored value, got none for {', '.join(unused)}. "
            "Add one, or leave the label out of labels and num_classes."
        )
    return dict(sorted(found.items()))


def describe_label_map(label_map: Mapping[int, str]) -> str:
    """The stored values of each class, for messages.

    Example:
        >>> describe_label_map({0: "background", 1: "GM", 2: "GM", 3: "WM"})
        '0 (background), 1 2 (GM), 3 (WM)'
    """
    values = defaultdict(list)
    for value, name in label_map.items():
        values[name].append(str(value))
    return ", ".join(f"{' '.join(stored)} ({name})" for name, stored in values.items())


def map_labels(array: np.ndarray, label_map: Mapping[int, str], labels: Sequence[str]) -> np.ndarray:
    """Class indices (uint8) of an array that holds no other values than those of the mapping.

    Example:
        >>> map_labels(np.array([0, 4, 4]), {0: "background", 4: "tumour"}, ["background", "tumour"])
        array([0, 1, 1], dtype=uint8)
    """
    table = np.zeros(max(label_map) + 1, dtype=np.uint8)
    for value, name in label_map.items():
        table[value] = labels.index(name)
    return table[array.astype(np.uint16, copy=False)]


def count_values(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different values of an array in ascending order, and how often each is there.

    Whole numbers below 65536 are counted without sorting, which is what takes the time with millions of voxels.
    """
    with np.errstate(invalid="ignore"):  # NaN and what is too large come out different, and are sorted
        whole = array.astype(np.uint16)
    if np.array_equal(whole, array):
        counts = np.bincount(whole.ravel(order="K"))
        values = np.flatnonzero(counts)
        return values, counts[values]
    return np.unique(array, return_counts=True)


def _suggest(unknown: Sequence[str], known: Sequence[str]) -> str:
    near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.5) if unknown else []
    return f" Did you mean {near[0]}?" if near else " Write some of these."
