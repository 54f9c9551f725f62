"""Draws of parts: disjoint, complete, stratified, and the same on every machine and in every order."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlseg.checks import ConfigError, DataError
from mlseg.data.draws import Parts, draw_stratified, kfold_parts, loso_parts, random_parts, round_half_up

SHARES = (0.7, 0.1, 0.2)
GROUPS = ("DCM", "HCM", "MINF", "NOR", "RV")
OFFICIAL = {f"patient{n:03d}": GROUPS[(n - 1) // 20] for n in range(1, 101)}
SEVEN = dict.fromkeys(("1", "4", "5", "7", "14", "070", "148"), "")

some_groups = st.dictionaries(st.text("abc0", min_size=1, max_size=4), st.sampled_from("wxyz"), min_size=3, max_size=40)


def check_partition(parts: Parts, groups: dict[str, str]) -> None:
    assert sorted(subject for part in parts for subject in part) == sorted(groups)
    assert all(part == sorted(part) for part in parts)


@settings(deadline=None)
@given(groups=some_groups, folds=st.integers(2, 6), seed=st.integers(-3, 9), data=st.data())
def test_kfold_tests_each_subject_once(groups: dict[str, str], folds: int, seed: int, data: st.DataObject) -> None:
    folds = min(folds, len(groups))
    shares = data.draw(st.sampled_from([SHARES, (0.5, 0.25, 0.25), (0.8, 0.0, 0.2)]))
    parts = [kfold_parts(groups, fold=n, folds=folds, fractions=shares, seed=seed) for n in range(folds)]
    for one in parts:
        check_partition(one, groups)
        assert one[0]
        assert bool(one[1]) == (shares[1] > 0 and len(one[0]) + len(one[1]) > 1)
    tests = [test for _, _, test in parts]
    assert sorted(subject for test in tests for subject in test) == sorted(groups)
    assert max(map(len, tests)) - min(map(len, tests)) <= 1


@settings(deadline=None)
@given(groups=some_groups, folds=st.integers(2, 6), seed=st.integers(0, 9))
def test_kfold_is_stratified_to_within_one_subject(groups: dict[str, str], folds: int, seed: int) -> None:
    folds = min(folds, len(groups))
    for fold in range(folds):
        train, val, test = kfold_parts(groups, fold=fold, folds=folds, fractions=SHARES, seed=seed)
        rest = train + val
        for group, total in Counter(groups.values()).items():
            of_test = sum(groups[subject] == group for subject in test)
            assert total // folds <= of_test <= math.ceil(total / folds)
            of_rest = (total - of_test) * len(val) / len(rest)
            assert math.floor(of_rest + 1e-9) <= sum(groups[s] == group for s in val) <= math.ceil(of_rest - 1e-9)


@settings(deadline=None)
@given(groups=some_groups, seed=st.integers(0, 9), order=st.randoms(use_true_random=False))
def test_the_order_of_listing_changes_nothing(groups: dict[str, str], seed: int, order: object) -> None:
    items = [*groups.items()]
    order.shuffle(items)  # type: ignore[attr-defined]
    again = dict(items)
    for fold in range(2):
        expected = kfold_parts(groups, fold=fold, folds=2, fractions=SHARES, seed=seed)
        assert kfold_parts(again, fold=fold, folds=2, fractions=SHARES, seed=seed) == expected
        assert loso_parts(again, fold=fold, seed=seed) == loso_parts(groups, fold=fold, seed=seed)
    assert random_parts(again, fractions=SHARES, seed=seed) == random_parts(groups, fractions=SHARES, seed=seed)


def test_the_draws_are_pinned() -> None:
    """A change of these would silently change every cross-validation that has been run."""
    groups = {f"s{n}": "xy"[n % 2] for n in range(8)}
    parts = [kfold_parts(groups, fold=n, folds=3, fractions=SHARES, seed=0) for n in range(3)]
    assert [test for _, _, test in parts] == [["s0", "s1", "s2"], ["s3", "s6", "s7"], ["s4", "s5"]]
    assert [val for _, val, _ in parts] == [["s5"], ["s4"], ["s7"]]
    assert [loso_parts(SEVEN, fold=n, seed=0)[1] for n in range(7)] == [
        ["148"],
        ["14"],
        ["070"],
        ["14"],
        ["5"],
        ["7"],
        ["14"],
    ]


def test_another_process_draws_the_same() -> None:
    code = (
        "from mlseg.data.draws import kfold_parts; "
        f"print(kfold_parts({OFFICIAL!r}, fold=1, folds=5, fractions={SHARES!r}, seed=4))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert done.stdout.strip() == repr(kfold_parts(OFFICIAL, fold=1, folds=5, fractions=SHARES, seed=4))


def test_five_folds_of_acdc_have_the_papers_sizes() -> None:
    for fold in range(5):
        train, val, test = kfold_parts(OFFICIAL, fold=fold, folds=5, fractions=SHARES, seed=0)
        assert [len(train), len(val), len(test)] == [70, 10, 20]
        assert Counter(OFFICIAL[subject] for subject in test) == dict.fromkeys(GROUPS, 4)
        assert Counter(OFFICIAL[subject] for subject in val) == dict.fromkeys(GROUPS, 2)


def test_seed_and_fold_change_what_is_drawn() -> None:
    def draw(fold: int, seed: int) -> Parts:
        return kfold_parts(OFFICIAL, fold=fold, folds=5, fractions=SHARES, seed=seed)

    assert draw(0, 1)[2] != draw(0, 0)[2]
    vals = [subject for fold in range(5) for subject in draw(fold, 0)[1]]
    assert len(set(vals)) > 30, "each fold draws its validation anew"


@settings(deadline=None)
@given(groups=some_groups, seed=st.integers(0, 9))
def test_loso_leaves_each_subject_out_once(groups: dict[str, str], seed: int) -> None:
    parts = [loso_parts(groups, fold=fold, seed=seed) for fold in range(len(groups))]
    assert [test for _, _, test in parts] == [[subject] for subject in sorted(groups)]
    for one in parts:
        check_partition(one, groups)
        assert len(one[1]) == 1


@settings(deadline=None)
@given(groups=some_groups, share=st.floats(0, 1))
def test_a_stratified_draw_takes_of_each_group_its_share(groups: dict[str, str], share: float) -> None:
    count = round(share * len(groups))
    drawn = draw_stratified(groups, count, key="k")
    assert len(drawn) == count
    for group, total in Counter(groups.values()).items():
        exact = total * count / len(groups)
        assert math.floor(exact + 1e-9) <= sum(groups[s] == group for s in drawn) <= math.ceil(exact - 1e-9)


def test_groups_of_one_get_their_turn_by_lot() -> None:
    groups = {name: name for name in "abcdefgh"}
    drawn = {subject for n in range(30) for subject in draw_stratified(groups, 2, key=str(n))}
    assert drawn == set(groups)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 1}, r"data\.folds: must be from 2 to the number of subjects \(7\), got 1"),
        ({"folds": 8}, r"data\.folds: must be from 2 to the number of subjects \(7\), got 8"),
        ({"fold": 5}, r"data\.fold: must be a whole number from 0 to 4, .*got 5"),
        ({"fold": -1}, r"data\.fold: must be a whole number from 0 to 4, .*got -1"),
        ({"fractions": (0.7, 0.2)}, r"data\.split_fractions: must be three shares"),
    ],
)
def test_folds_are_checked(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kfold_parts(SEVEN, **{"fold": 0, "folds": 5, "fractions": SHARES, "seed": 0, **change})  # type: ignore[arg-type]


def test_too_few_subjects() -> None:
    with pytest.raises(ConfigError, match=r"data\.fold: must be a whole number from 0 to 6, .*got 7"):
        loso_parts(SEVEN, fold=7, seed=0)
    with pytest.raises(DataError, match="loso needs 3 subjects or more on disk, got 2"):
        loso_parts({"a": "", "b": ""}, fold=0, seed=0)
    with pytest.raises(DataError, match="kfold needs 2 subjects or more on disk, got 1"):
        kfold_parts({"a": ""}, fold=0, folds=2, fractions=SHARES, seed=0)
    assert kfold_parts({"a": "", "b": ""}, fold=0, folds=2, fractions=SHARES, seed=0)[1] == []


@pytest.mark.parametrize(("number", "whole"), [(0.5, 1), (1.5, 2), (2.5, 3), (2.4999, 2), (0.0, 0)])
def test_halves_go_up(number: float, whole: int) -> None:
    assert round_half_up(number) == whole
