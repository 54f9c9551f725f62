"""The numbers of a table: who is told from the best, what is compared, what is refused."""

from __future__ import annotations

import pytest

from mlseg.checks import RunError
from mlseg.report.comparisons import compare_paired
from mlseg.report.paper_cells import MEASURES, RANKED, analyse
from mlseg.report.subject_values import subtract

DICE, HD95, ECE = MEASURES[0], MEASURES[1], MEASURES[2]


def test_the_best_and_who_cannot_be_told_from_it(make_spec):
    spec = make_spec({"acdc": {"CE": {}, "twin": {}, "MbLS": {"shift": 0.1}, "LS": {"shift": 0.1005}}})
    (block,) = analyse(spec).blocks
    dice = {row: block.entries[row, DICE] for row in spec.rows}
    assert {row: entry.with_best for row, entry in dice.items()} == {
        "CE": False,
        "twin": False,
        "MbLS": False,  # 0.0005 worse for each subject: small, and told apart
        "LS": True,
    }
    assert dice["LS"].against_best is None
    # Three comparisons of eight subjects, all at the smallest p there is: 3 * 2 / 2^8.
    assert dice["CE"].against_best.p_holm == pytest.approx(3 * 2 / 2**8)
    assert block.entries["LS", ECE].with_best is True  # lower is better there
    assert block.entries["CE", ECE].with_best is False
    assert dice["CE"].interval.kind == "t"


def test_equal_methods_cannot_be_told_apart(make_spec):
    (block,) = analyse(make_spec({"acdc": {"CE": {}, "twin": {}}})).blocks
    assert [block.entries[row, DICE].with_best for row in ("CE", "twin")] == [True, True]
    assert block.ranks[DICE].ranks == (1, 1)


def test_few_subjects_tell_nothing(make_spec):
    options = {"subjects": 5}
    (block,) = analyse(make_spec({"acdc": {"CE": options, "MbLS": {"shift": 0.2, **options}}})).blocks
    assert [block.entries[row, DICE].with_best for row in ("CE", "MbLS")] == [None, None]


def test_pairs_are_one_family_for_each_score(make_spec):
    kinds = {"acdc": {"CE": {}, "MbLS": {"shift": 0.1}, "LS": {"shift": 0.05}}}
    (block,) = analyse(make_spec(kinds, pairs=(("MbLS", "CE"), ("MbLS", "LS")))).blocks
    found = block.pairs["MbLS", "CE", DICE]
    expected = compare_paired(subtract(block.entries["MbLS", DICE].values, block.entries["CE", DICE].values))
    assert found.difference == expected.difference == pytest.approx(0.1)
    assert found.p_holm == pytest.approx(2 * expected.p)
    assert block.pairs["MbLS", "CE", HD95].difference == pytest.approx(-1.0)


def test_ranks_over_data_sets_count_only_whole_ones(make_spec):
    kinds = {
        "acdc": {"CE": {}, "MbLS": {"shift": 0.1}},
        "brats": {"CE": {"shift": 0.1, "subjects": 16}, "MbLS": {"subjects": 16}},
        "other": {"CE": {}, "MbLS": None},
    }
    result = analyse(make_spec(kinds))
    assert result.ranked_data == ("acdc", "brats")
    assert set(result.summed) == set(RANKED)
    assert result.summed[DICE].sums == (3, 3)
    # CE is second on 8 subjects and first on 16.
    assert result.summed[DICE].weighted == pytest.approx((4 / 3, 5 / 3))


def test_a_data_set_without_runs_has_no_block(make_spec):
    result = analyse(make_spec({"acdc": {"CE": {}}, "brats": {"CE": None}}))
    assert [block.data for block in result.blocks] == ["acdc"]
    assert result.summed == {}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"split": {"fingerprint": "g"}}, "fingerprint f and g"),
        ({"first": 1}, "test"),
        ({"settings": {"evaluation.default.bins": 20}}, "evaluation.default.bins 15 and 20"),
    ],
)
def test_methods_that_were_not_judged_alike_share_no_column(make_spec, changes, named):
    with pytest.raises(RunError, match="main, acdc") as error:
        analyse(make_spec({"acdc": {"CE": {}, "MbLS": changes}}))
    assert named in str(error.value)


def test_seeds_do_not_count_as_subjects(make_spec):
    spec = make_spec({"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}}, seeds=(1, 2, 3))
    (block,) = analyse(spec).blocks
    entry = block.entries["CE", DICE]
    assert (entry.values.n_subjects, entry.values.n_seeds, entry.interval.n) == (8, 3, 8)
