"""Pickle files read without running them: plain containers, numbers, text and numpy arrays, nothing else.

A pickle is a program, and one from elsewhere may do anything. Here each name that it asks for is looked up in a short
list of stand-ins, and any other name ends the reading. numpy's own names are stand-ins too: they only take down what an
array is made of, so that no made-up state reaches numpy.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.checks import DataError

# Arrays of other kinds (objects, text, records) are read as None.
_NUMERIC = "biuf"
_BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ImportError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)


def read_plain_pickle(path: Path) -> Any:
    """Read a pickle file that holds plain values and numpy arrays.

    Returns:
        Dicts, lists, tuples, sets, numbers, text, None and numeric arrays; other arrays become None.

    Raises:
        DataError: the file is missing or damaged, or asks for anything else; nothing of it has been executed.
    """
    names = _build_names()

    class PlainUnpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            known = names.get((module, name))
            if known is None:
                raise pickle.UnpicklingError(f"it asks for {module}.{name}")
            return known

    try:
        with open(path, "rb") as file:
            return _settle(PlainUnpickler(file).load())
    except OSError as error:
        raise DataError(f"{path}: must be readable, got {error.strerror}. Copy it beside the .npz again.") from error
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{path}: must be a whole pickle file of plain values and numpy arrays, got another ({reason}); nothing of "
            "it was executed. Copy it again from where it was written."
        ) from error


class _Stored:
    """An array, or one number of it, as taken down from a pickle."""

    value: np.ndarray | float | None = None


def _build_names() -> Mapping[tuple[str, str], Any]:
    """(module, name) -> stand-in; built for each file, so that no file can change those of the next."""
    kind, array_kind = _build_classes()

    def start_array(*_: Any) -> _Stored:
        return array_kind()

    def read_buffer(raw: Any, of: Any, shape: tuple[int, ...], order: str) -> _Stored:
        array: Any = array_kind()
        array.__setstate__((1, shape, of, order == "F", raw))
        return array

    def read_number(of: Any, raw: Any = None) -> _Stored:
        number, flat = _Stored(), of.decode(raw)
        number.value = None if flat is None else flat[0].item()
        return number

    # numpy moved its modules in version 2; files of both are around.
    makers: dict[str, Callable[..., Any]] = {
        "multiarray._reconstruct": start_array,
        "multiarray.scalar": read_number,
        "numeric._frombuffer": read_buffer,
    }
    names: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("numpy", "dtype"): kind,
        ("numpy", "ndarray"): object(),
    }
    for name, maker in makers.items():
        module, function = name.split(".")
        names.update({(f"numpy.{core}.{module}", function): maker for core in ("core", "_core")})
    return names


def _build_classes() -> tuple[type, type[_Stored]]:
    class Type:
        """A numpy dtype: its code such as "f4", and its byte order."""

        def __init__(self, code: str, *_: Any) -> None:
            self.code, self.order = str(code), "<"

        def __setstate__(self, state: tuple[Any, ...]) -> None:
            self.order = ">" if state[1] == ">" else "<"

        def decode(self, raw: Any) -> np.ndarray | None:
            if self.code[:1] not in _NUMERIC or not isinstance(raw, bytes | bytearray):
                return None
            return np.frombuffer(raw, np.dtype(self.order + self.code))

    class Array(_Stored):
        """What numpy rebuilds an array from."""

        def __setstate__(self, state: tuple[Any, ...]) -> None:
            _, shape, kind, fortran, raw = state
            flat = kind.decode(raw)
            self.value = None if flat is None else flat.reshape(shape, order="F" if fortran else "C")

    return Type, Array


def _settle(value: Any) -> Any:
    """The same with arrays and numbers in place of what was taken down."""
    if isinstance(value, _Stored):
        return value.value
    if isinstance(value, dict):
        return {_settle(key): _settle(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        kind = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
        return kind(_settle(item) for item in value)
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return value
    raise pickle.UnpicklingError(f"it holds a {type(value).__name__}")
