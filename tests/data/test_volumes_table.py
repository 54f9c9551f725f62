"""Volumes and ejection fractions, by hand."""

from __future__ import annotations

import math

import pytest

from mlseg.data.volumes_table import (
    EF_COLUMNS,
    VOLUME_COLUMNS,
    CaseVolumes,
    format_table,
    list_ejection_fractions,
    list_volumes,
    summarise_agreement,
)


def make_case(subject, frame, lv, rv=100, reference=None):
    return CaseVolumes(
        case_id=f"{subject}_{frame}",
        subject_id=subject,
        frame=frame,
        voxels={"RV": rv, "Myo": 7, "LV": lv},
        voxel_ml=0.5,
        reference_ml=None if reference is None else {"RV": 40.0, "Myo": 3.0, "LV": reference},
    )


def test_a_row_per_label():
    rows = list_volumes([make_case("p1", "ED", 240, reference=100.0), make_case("p2", "", 0)])
    assert len(rows) == 6
    assert rows[2] == dict(zip(VOLUME_COLUMNS, ("p1_ED", "p1", "ED", "LV", 240, 120.0, 100.0, 20.0), strict=True))
    assert (rows[5]["volume_ml"], rows[5]["reference_ml"], rows[5]["difference_ml"]) == (0.0, None, None)


def test_the_share_of_blood_that_a_beat_moves():
    rows = list_ejection_fractions(
        [make_case("p1", "ES", 96, rv=60, reference=50.0), make_case("p1", "ED", 240, reference=125.0)]
    )
    left, right = rows
    assert [left[name] for name in EF_COLUMNS] == ["p1", "LV", 120.0, 48.0, 60.0, 125.0, 50.0, 60.0, 0.0]
    assert (right["ventricle"], right["ef_percent"], right["reference_ef_percent"]) == ("RV", 40.0, 0.0)
    assert right["difference_percent"] == 40.0


def test_only_pairs_of_frames_count():
    cases = [make_case("p1", "ED", 10), make_case("p2", "ED", 10), make_case("p2", "ES", 5), make_case("p2", "ES", 5)]
    assert list_ejection_fractions(cases) == []
    lone = CaseVolumes(case_id="a", subject_id="a", frame="ED", voxels={"tumour": 3}, voxel_ml=1.0)
    other = CaseVolumes(case_id="b", subject_id="a", frame="ES", voxels={"tumour": 3}, voxel_ml=1.0)
    assert list_ejection_fractions([lone, other]) == []
    empty = list_ejection_fractions([make_case("p1", "ED", 0), make_case("p1", "ES", 5)])
    assert math.isnan(empty[0]["ef_percent"])
    assert empty[0]["difference_percent"] is None


def test_bias_and_limits_of_agreement():
    rows = [{"ventricle": "LV", "difference_percent": value} for value in (-4.0, 2.0, 8.0, None, math.nan)]
    found = summarise_agreement(rows)
    assert found.keys() == {"LV"}
    assert found["LV"] == pytest.approx(
        {"n": 3, "bias": 2.0, "low": 2 - 1.96 * 6, "high": 2 + 1.96 * 6, "mean_absolute": 14 / 3}
    )
    assert math.isnan(summarise_agreement(rows[:1])["LV"]["low"])
    assert summarise_agreement([]) == {}


def test_cells_that_are_not_known_are_empty():
    text = format_table(EF_COLUMNS, list_ejection_fractions([make_case("p", "ED", 10), make_case("p", "ES", 5)]))
    assert text.splitlines()[0] == ",".join(EF_COLUMNS)
    assert text.splitlines()[1] == "p,LV,5.0000,2.5000,50.0000,,,,"
