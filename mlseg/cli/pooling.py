"""The folds of one cross-validation, trained in one sweep, together in one report over all their subjects."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlseg.cli.naming import claim, run_directory
from mlseg.data.splits import KFOLD, LOSO

if TYPE_CHECKING:
    from mlseg.cli.app import JobResult

SUFFIX = "+pooled"


def pool_folds(results: Sequence[JobResult]) -> None:
    """Report each cross-validation of a sweep whose folds are done, beside its runs.

    `python train.py -m data.split=kfold data.fold=0,1,2,3,4` leaves `<what differs>+pooled/seed<k>` with the scores of
    all test subjects. Runs that differ in more than the fold are pooled apart.

    Args:
        results: the jobs of a sweep.
    """
    from mlseg.report.pooled import report_pooled

    found: defaultdict[str, dict[int, Path]] = defaultdict(dict)
    places: dict[str, Path] = {}
    for result in results:
        data = result.cfg.data
        if result.code or data.get("split") not in (KFOLD, LOSO):
            continue
        facts = {key: value for key, value in claim(result.cfg).items() if key != "data.fold"}
        group = json.dumps(facts, sort_keys=True, default=str)
        folder = run_directory(result.cfg, result.info.choices)
        found[group][int(data.fold)] = folder
        if group not in places or data.fold == 0:
            places[group] = folder.parent.with_name(folder.parent.name + SUFFIX) / folder.name
    for group, folds in found.items():
        if len(folds) > 1:
            report_pooled([folds[fold] for fold in sorted(folds)], places[group])
