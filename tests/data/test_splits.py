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
from mlseg.data.draws import draw_stratified
from mlseg.data.splits import (
    PARTS,
    Split,
    find_split_problems,
    random_split,
    read_groups,
    read_split,
    resolve_split,
    split_folder,
    split_problems,
    write_splits,
)
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
    with pytest.raises(ConfigError, match="must be mine, random, kfold, loso or a path"):
        read_split("acdc")


def test_a_misspelt_split_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"data.split: must be acdc, .*got 'adcd'. Did you mean acdc\?"):
        read_split("adcd")
    with pytest.raises(ConfigError, match=r"Did you mean kfold\?"):
        read_split("k-fold")


def test_the_official_acdc_split() -> None:
    split = read_split("acdc_official")
    assert split.test == tuple(f"patient{n:03d}" for n in range(101, 151))
    assert {*split.train, *split.val} == set(OFFICIAL)
    assert set(split.val) == draw_stratified(OFFICIAL, 10, key="acdc_official")
    assert Counter(OFFICIAL[subject] for subject in split.val) == dict.fromkeys(GROUPS, 2)
    everybody = {**OFFICIAL, **dict.fromkeys(split.test, "")}
    assert resolve_split("acdc_official", cases_of(everybody), fractions=SHARES, seed=0) == split
    with pytest.raises(DataError, match=r"got 50 of 150 missing \(patient101"):
        resolve_split("acdc_official", cases_of(OFFICIAL), fractions=SHARES, seed=0)


def test_committed_splits_have_no_subject_twice() -> None:
    names = sorted(path.stem for path in split_folder().glob("*.json"))
    assert len(names) >= 2
    for name in names:
        split = read_split(name)
        assert split_problems(split, [*split.train, *split.val, *split.test]) == []


def test_kfold_and_loso_are_resolved_by_fold() -> None:
    cases = cases_of(OFFICIAL)
    splits = [resolve_split("kfold", cases, fractions=SHARES, seed=2, fold=n, folds=4) for n in range(4)]
    assert sorted(subject for split in splits for subject in split.test) == sorted(OFFICIAL)
    assert [split.name for split in splits[:2]] == ["kfold4-2-fold0", "kfold4-2-fold1"]
    one = resolve_split("loso", cases, fractions=SHARES, seed=2, fold=16)
    assert (one.name, one.test, len(one.val), len(one.train)) == ("loso-2-fold16", ("patient017",), 1, 98)
    assert len(resolve_split("kfold", cases, fractions=SHARES, seed=2).test) == 20
    with pytest.raises(ConfigError, match=r"data\.fold: must be a whole number from 0 to 3"):
        resolve_split("kfold", cases, fractions=SHARES, seed=2, fold=4, folds=4)


def test_a_split_without_validation_is_allowed_but_not_without_training_or_test(tmp_path: Path) -> None:
    path, cases = tmp_path / "mine.json", cases_of({"a": "", "b": ""})
    path.write_text(json.dumps({"train": ["a"], "val": [], "test": ["b"]}))
    assert resolve_split(str(path), cases, fractions=SHARES, seed=0).val == ()
    path.write_text(json.dumps({"train": [], "val": ["a"], "test": ["b"]}))
    with pytest.raises(DataError, match="train must hold at least one subject"):
        resolve_split(str(path), cases, fractions=SHARES, seed=0)


def test_problems_of_fold_and_folds_come_before_the_data() -> None:
    assert find_split_problems("kfold", fold=4, folds=5) == []
    assert find_split_problems("acdc") == find_split_problems("random") == find_split_problems("loso", fold=99) == []
    (problem,) = find_split_problems("kfold", fold=5, folds=5)
    assert problem.startswith("data.fold: must be a whole number in [0, 4], got 5.")
    assert len(find_split_problems("kfold", fold=-1, folds=1)) == 2
    assert find_split_problems("loso", fold="x") == [
        "data.fold: must be a whole number of at least 0, got 'x'. Give data.fold such a value."
    ]
    assert "Did you mean kfold?" in find_split_problems("kfolds")[0]


def test_groups_do_not_depend_on_the_order_of_the_cases() -> None:
    cases = [
        CaseFiles(case_id=case_id, subject_id="s", images=(), target=None, group=group)
        for case_id, group in (("c", "x"), ("a", ""), ("b", "y"))
    ]
    assert read_groups(cases) == read_groups(cases[::-1]) == {"s": "y"}


def test_written_splits_are_read_again_and_never_overwrite(tmp_path: Path) -> None:
    splits = {
        tmp_path / f"new/{name}.json": Split(name=name, train=("a",), val=(), test=("ö",)) for name in ("one", "two")
    }
    write_splits(splits, note="how")
    assert [read_split(path) for path in splits] == [*splits.values()]
    before = {path: path.stat().st_mtime_ns for path in splits}
    write_splits(splits, note="how")
    one, two = splits
    one.unlink()
    two.write_text("mine")
    with pytest.raises(ConfigError, match=r"two\.json: must be a new file"):
        write_splits(splits, note="how")
    assert (one.exists(), two.read_text(), len(before)) == (False, "mine", 2)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="must be a file that can be written"):
        write_splits({tmp_path / "file/x.json": splits[one]}, note="how")
