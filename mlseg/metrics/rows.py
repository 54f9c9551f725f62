"""One score of one case as a row of scores.csv."""

from __future__ import annotations

from mlseg.records import Score
from mlseg.types import CasePrediction


def build_row(
    prediction: CasePrediction,
    evaluation: str,
    *,
    label: str,
    region: str,
    metric: str,
    value: float,
    unit: str,
    n: int,
) -> Score:
    """A row that carries the case's identity; the other fields are those of `mlseg.records.Score`."""
    return Score(
        evaluation=evaluation,
        subject_id=prediction.subject_id,
        case_id=prediction.case_id,
        frame=prediction.frame,
        group=prediction.group,
        label=label,
        region=region,
        metric=metric,
        value=float(value),
        unit=unit,
        n=int(n),
    )
