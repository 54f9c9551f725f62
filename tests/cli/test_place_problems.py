"""Places that cannot be used."""

from __future__ import annotations

import pytest

from mlseg.cli.place_problems import find_place_problems

CASES = {
    "data.cache_dir=null": "data.cache_dir: must be a folder, got null. Give data.cache_dir=/path/to/a/folder.",
    "data.cache_dir=''": "data.cache_dir: must be a folder, got ''.",
    "output_root=null": "output_root: must be a folder, got null. Give output_root=/path/to/a/folder.",
    "output_root=' '": "output_root: must be a folder, got ' '.",
    "run_dir=[a,b]": "run_dir: must be a folder, got ['a','b']. Give run_dir such a value.",
    "run_dir=true": "run_dir: must be a folder, got true.",
    "run_name=a/b": "run_name: must be the name of a folder, got 'a/b'. A whole path goes into run_dir=.",
    "data.root=[a]": "data.root: must be a folder, got ['a']. Give data.root=/path/to/the/data.",
}


@pytest.mark.parametrize(("word", "expected"), CASES.items(), ids=CASES)
def test_what_is_no_place(problems_of, word: str, expected: str) -> None:
    (problem,) = problems_of(word)
    assert problem.startswith(expected)


def test_a_run_directory_of_its_own_needs_no_output_root(problems_of) -> None:
    assert problems_of("output_root=null", "run_dir=some/where") == []
    assert problems_of("run_dir=5", "data.cache_dir=7") == []


def test_a_zero_byte_is_in_no_path(tmp_path) -> None:
    data = {"root": str(tmp_path), "cache_dir": "a\0b", "split": "random"}
    (problem,) = find_place_problems({"data": data, "output_root": "outputs"})
    assert problem.startswith("data.cache_dir: must be a folder")
