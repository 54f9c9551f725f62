"""What is allowed but seldom meant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlseg.data.oddities import find_oddities
from mlseg.data.preprocess import Preprocessing
from mlseg.types import Case, PreparedCase

LABELS = ("background", "RV", "Myo", "LV")


def make_case(name: str, *, classes: tuple[int, ...] = (1, 2, 3), constant: bool = False) -> PreparedCase:
    image = np.ones((1, 3, 8, 8), dtype=np.float32)
    if not constant:
        image[0, 1, 2:5] = 7.0  # one slice that is not blank is enough
    target = np.zeros((3, 8, 8), dtype=np.uint8)
    for index in classes:
        target[1, index, index] = index
    case = Case(case_id=name, subject_id=name, image=image, target=target, spacing_mm=(1.0, 1.0, 1.0), affine=np.eye(4))
    return Preprocessing().prepare(case)


@pytest.fixture
def usual() -> list[PreparedCase]:
    return [make_case("a"), make_case("b", classes=(1,))]


def test_nothing_is_said_of_usual_cases(usual: list[PreparedCase]) -> None:
    assert find_oddities(usual, LABELS, judged=[usual, []]) == []


def test_a_constant_image_in_any_part(usual: list[PreparedCase]) -> None:
    odd = make_case("c", constant=True)
    expected = "data: the image is constant in 1 of 3 cases (c). Check these files, or leave their subjects out."
    assert find_oddities([*usual, odd], LABELS) == [expected]
    assert find_oddities(usual, LABELS, judged=[[odd]]) == [expected]


def test_cases_of_background_alone(usual: list[PreparedCase]) -> None:
    empty = [make_case(name, classes=()) for name in "vwxy"]
    (line,) = find_oddities([*usual, *empty[:1]], LABELS, judged=[empty[1:3], empty[3:]])
    assert line.startswith("data: the reference holds nothing but background in 4 of 6 cases (v, w, x, ...). ")


def test_a_class_that_is_only_judged_cannot_be_learned(usual: list[PreparedCase]) -> None:
    (line,) = find_oddities(usual[1:], LABELS[:3], judged=[usual])
    assert line.startswith("data: class Myo is in none of the 1 training cases, so the network cannot learn it. ")
    (line,) = find_oddities(usual[1:], LABELS)
    assert line.startswith("data: classes Myo, LV are in none of the 1 training cases")


def test_without_landmarks_the_target_is_read(usual: list[PreparedCase]) -> None:
    bare = [replace(case, landmarks=None) for case in [*usual, make_case("e", classes=())]]
    (line,) = find_oddities(bare, LABELS)
    assert "background in 1 of 3 cases (e)" in line


def test_all_at_once() -> None:
    lines = find_oddities([make_case("z", classes=(), constant=True)], LABELS)
    assert [line.split()[2] for line in lines] == ["image", "reference", "RV,"]
