"""Splits by subject: the committed one, random ones, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlseg
from mlseg.checks import ConfigError, DataError
from mlseg.data.splits import PARTS, Split, random_split, read_split, resolve_split, split_problems
from mlseg.types import CaseFiles

SHARES = (0.7, 0.1, 0.2)
GROUPS = ("DCM", "HCM", "MINF", "NOR", "RV")
OFFICIAL = {f"patient{n:03d}": GROUPS[(n - 1) // 20] for n in range(1, 101)}


def cases_of(groups: dict[str, str]) -> list[CaseFiles]:
    return [
        CaseFiles(case_id=f"{subject}_{frame}", subject_id=subject, images=(), target=None, group=group)
        for subject, group in groups.items()
        for frame in ("a", "b")
    ]


def parts_of(split: Split) -> dict[str, tuple[str, ...]]:
    return {part: getattr(split, part) for part in PARTS}


def test_committed_acdc_split() -> None:
    split = read_split("acdc")
    last = [n for start in (17, 37, 57, 77, 97) for n in range(start, start + 4)]
    assert split.test == tuple(f"patient{n:03d}" for n in last)
    assert {part: len(ids) for part, ids in parts_of(split).items()} == {"train": 70, "val": 10, "test": 20}
    assert {*split.train, *split.val, *split.test} == set(OFFICIAL)
    assert Counter(OFFICIAL[subject] for subject in split.val) == dict.fromkeys(GROUPS, 2)
    assert Counter(OFFICIAL[subject] for subject in split.train) == dict.fromkeys(GROUPS, 14)
    assert resolve_split("acdc", cases_of(OFFICIAL), fractions=SHARES, seed=0) == split


def test_subjects_that_are_not_on_disk_are_counted_and_the_remedy_named() -> None:
    on_disk = {subject: group for subject, group in OFFICIAL.items() if subject not in read_split("acdc").test}
    with pytest.raises(DataError, match="got 20 of 100 missing") as caught:
        resolve_split("acdc", cases_of(on_disk), fractions=SHARES, seed=0)
    assert "patient017, patient018" in str(caught.value)
    assert "data.split=random" in str(caught.value)
    assert "Download the rest" in str(caught.value)


def test_random_split_is_stratified_and_sized() -> None:
    split = random_split(OFFICIAL, fractions=SHARES, seed=3)
    for part, share in zip(PARTS, SHARES, strict=True):
        assert Counter(OFFICIAL[subject] for subject in getattr(split, part)) == dict.fromkeys(
            GROUPS, round(20 * share)
        )


def test_random_split_is_the_same_everywhere() -> None:
    """Pinned: a change of this list would silently change every run with data.split=random."""
    split = random_split({f"s{n}": "xy"[n % 2] for n in range(8)}, fractions=(0.5, 0.25, 0.25), seed=0)
    assert split == Split(name="random-0", train=("s0", "s3", "s5", "s6"), val=("s1", "s4"), test=("s2", "s7"))


def test_random_split_does_not_depend_on_the_order_of_listing_but_on_the_seed() -> None:
    backwards = dict(reversed(OFFICIAL.items()))
    split = random_split(OFFICIAL, fractions=SHARES, seed=1)
    assert random_split(backwards, fractions=SHARES, seed=1) == split
    assert random_split(OFFICIAL, fractions=SHARES, seed=2).test != split.test


@given(
    groups=st.dictionaries(st.text("abc", min_size=1, max_size=4), st.sampled_from("xyz"), max_size=30),
    shares=st.sampled_from([SHARES, (0.6, 0.2, 0.2), (0.98, 0.01, 0.01), (0.01, 0.01, 0.98), (1 / 3, 1 / 3, 1 / 3)]),
    seed=st.integers(0, 9),
)
def test_random_split_is_a_partition_without_empty_parts(
    groups: dict[str, str], shares: tuple[float, float, float], seed: int
) -> None:
    parts = parts_of(random_split(groups, fractions=shares, seed=seed))
    assert sorted(subject for ids in parts.values() for subject in ids) == sorted(groups)
    filled = [part for part in ("train", "test", "val") if parts[part]]
    assert filled == ["train", "test", "val"][: len(groups)]


@pytest.mark.parametrize("shares", [(0.7, 0.2), (0.7, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_fractions_must_be_shares(shares: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"data\.split_fractions: must be three shares that add up to 1"):
        random_split(OFFICIAL, fractions=shares, seed=0)


def test_a_share_of_zero_stays_empty() -> None:
    assert random_split(OFFICIAL, fractions=(0.8, 0.0, 0.2), seed=0).val == ()


def test_too_few_subjects_are_refused() -> None:
    with pytest.raises(DataError, match="test must hold at least one subject, got none of 1 on disk"):
        resolve_split("random", cases_of({"a": ""}), fractions=SHARES, seed=0)


def test_a_subject_in_two_parts_is_an_error() -> None:
    split = Split(name="mine", train=("a", "b"), val=("b",), test=("c",))
    (problem,) = split_problems(split, ["a", "b", "c"])
    assert problem.startswith("split mine: a subject must be in one part only, got 1 in more: b (train and val)")
    assert split_problems(Split(name="mine", train=("a",), val=("b",), test=("c",)), "abcd") == []


def test_own_split_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"train": ["b", "a"], "val": [], "test": ["c"]}))
    assert read_split(path) == Split(name="mine", train=("a", "b"), val=(), test=("c",))
    for wrong in ('{"train": ["a"]}', '{"train": [1], "val": [], "test": []}', "[]", "{"):
        path.write_text(wrong)
        with pytest.raises(DataError, match=r"mine\.json: must"):
            read_split(path)
    with pytest.raises(ConfigError, match="must be a split file that exists"):
        read_split(tmp_path / "none.json")


def test_an_installed_package_reads_its_own_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlseg/splits").mkdir(parents=True)
    (tmp_path / "mlseg/splits/mine.json").write_text(json.dumps({"train": ["a"], "val": [], "test": ["b"]}))
    monkeypatch.setattr(mlseg, "__file__", str(tmp_path / "mlseg/__init__.py"))
    assert read_split("mine").train == ("a",)
    with pytest.raises(ConfigError, match="must be mine, random or a path"):
        read_split("acdc")


def test_a_misspelt_split_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"data.split: must be acdc, .*got 'adcd'. Did you mean acdc\?"):
        read_split("adcd")
