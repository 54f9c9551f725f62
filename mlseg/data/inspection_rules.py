"""What is wrong, or odd, in a data set as a whole.

A problem stops a training or spoils its result. A warning is what somebody should look at once.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlseg.data.inspection import CaseFacts
from mlseg.data.inspection_findings import Finding, count_cases, format_bytes, format_share, list_ids
from mlseg.data.inspection_outliers import find_outliers
from mlseg.data.splits import PARTS, Split
from mlseg.data.subjects import find_shared_start
from mlseg.types import CaseSource

_REFERENCE = "reference"
# How many times the largest image a crop may be; what networks halve five times is a multiple of this.
_MAX_PADDING, _STRIDE = 4, 32


def judge(
    facts: Sequence[CaseFacts], source: CaseSource, split: Split | None, *, crop: Sequence[int], folded: bool = False
) -> tuple[list[Finding], list[Finding]]:
    """The problems and the warnings of all cases.

    Args:
        facts: of every case on disk.
        split: who is trained on; None if it is not known.
        crop: of the training, (h,w) or (d,h,w).
        folded: whether `split` is one of the folds of a cross-validation.
    """
    problems = [Finding(kind="case", text=text, cases=(case.case_id,)) for case in facts for text in case.problems]
    warnings: list[Finding] = []
    for finding, is_leak in _find_duplicates(facts, source, split, folded=folded):
        (problems if is_leak else warnings).append(finding)
    read = [case for case in facts if not case.problems]
    warnings += _find_missing_classes(read, source, split)
    warnings += _find_cut_off(read)
    warnings += _find_padding(read, crop)
    warnings += find_outliers(read, source)
    if getattr(source, "subject_pattern", "") is None:
        warnings += _find_shared_subjects([case.case_id for case in facts])
    if split is not None and not split.val:
        text = f"split {split.name}: has no validation part, so no best epoch can be chosen."
        remedy = "Give evaluation.checkpoint_score=last to the training."
        warnings.append(Finding(kind="split", text=f"{text} {remedy}"))
    return problems, warnings


def find_shortages(needs: Mapping[str, Any], residency: str) -> list[Finding]:
    """Room that a training will lack.

    Args:
        needs: as `inspection_summary.summarise_needs` gives it.
        residency: data.residency.
    """
    found = []
    disk, free = needs["cache_bytes"], needs["disk_free_bytes"]
    if disk > free:
        text = (
            f"data.cache_dir: {needs['cache_dir']} must have room for {format_bytes(disk)}, got {format_bytes(free)}."
        )
        remedy = "Free some or give data.cache_dir=/elsewhere, unless these cases are there already."
        found.append(Finding(kind="disk", text=f"{text} {remedy}"))
    memory, available = needs["memory_bytes"], needs["memory_free_bytes"]
    if residency == "memory" and memory > available:
        text = f"data.residency: memory needs {format_bytes(memory)}, got {format_bytes(available)} free."
        found.append(Finding(kind="memory", text=f"{text} Give data.residency=disk."))
    return found


def _find_duplicates(
    facts: Sequence[CaseFacts], source: CaseSource, split: Split | None, *, folded: bool
) -> Iterator[tuple[Finding, bool]]:
    """Images and references that are there under several ids, and whether a test would meet what was trained on."""
    owners: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for index, case in enumerate(facts):
        # Constant images are alike, and are reported as such.
        for channel, content in enumerate(case.image_hashes):
            if not case.constant[channel]:
                owners[content].append((index, source.channels[channel]))
        if case.target_hash:
            owners[case.target_hash].append((index, _REFERENCE))
    # All that the same cases have in common is told at once.
    shared: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
    for places in owners.values():
        if len(places) > 1:
            shared[tuple(sorted({index for index, _ in places}))] += [what for _, what in places]
    for indices, contents in sorted(shared.items()):
        cases = [facts[index] for index in indices]
        text, is_leak = _describe_duplicate(cases, list(dict.fromkeys(contents)), split, folded=folded)
        ids = tuple(case.case_id for case in cases)
        yield Finding(kind="duplicate", text=f"{list_ids(ids)}: {text}", cases=ids), is_leak


def _describe_duplicate(
    cases: Sequence[CaseFacts], contents: Sequence[str], split: Split | None, *, folded: bool
) -> tuple[str, bool]:
    images = [content for content in contents if content != _REFERENCE]
    same = f"the same image ({', '.join(images)})" if images else "the same reference with different images"
    look = "Look whether one was copied in the place of another."
    subjects = {case.subject_id for case in cases}
    if len(cases) == 1:
        return f"channels should differ, got {same}. {look}", False
    if images and _REFERENCE not in contents:
        same += " with different references"
    if len(subjects) == 1:
        return f"scans of a subject should differ, got {same}. {look}", False
    if not images:
        return f"subjects should differ, got {same}. {look}", False
    parts = [part for part in PARTS if split is not None and subjects & set(getattr(split, part))]
    if len(parts) > 1 or folded:
        where = "in train and test of one fold or another" if folded else f"in {' and '.join(parts)}"
        remedy = "A network would be judged on what it has seen: remove one, or put both into one part of a split file."
        return f"subjects must differ, got {same}, {where}. {remedy}", True
    where = f" All are in {parts[0]}; another split could part them." if parts else ""
    return f"subjects should differ, got {same}.{where} Remove one, or keep them together.", False


def _find_missing_classes(read: Sequence[CaseFacts], source: CaseSource, split: Split | None) -> Iterator[Finding]:
    """Classes that cannot be learned, and cases in which there is nothing to find."""
    trained = [case for case in read if split is None or case.subject_id in split.train]
    for index, label in enumerate(source.labels):
        if trained and not any(case.voxels[index] for case in trained):
            having = tuple(case.case_id for case in read if case.voxels[index])
            where = f"it is in {count_cases(having)}" if having else "it is nowhere in the data set"
            text = f"{label}: a class must be in a training subject to be learned, got none; {where}."
            yield Finding(kind="class", text=f"{text} Take another split, or leave the class out.", cases=having)
    empty = tuple(case.case_id for case in read if not sum(case.voxels[1:]))
    if empty:
        text = f"references should mark something, got background only in {count_cases(empty)}."
        yield Finding(kind="class", text=f"{text} Their Dice is undefined; look at them.", cases=empty)


def _find_cut_off(read: Sequence[CaseFacts]) -> Iterator[Finding]:
    """Foreground that no training slice shows, because it lies outside the crop."""
    cut = [case for case in read if case.foreground_outside]
    if cut:
        share = sum(case.foreground_outside for case in cut) / sum(case.foreground for case in read)
        ids = tuple(case.case_id for case in sorted(cut, key=lambda case: -case.foreground_outside / case.foreground))
        text = f"data.crop: should hold all that is labelled, got {format_share(share)} of the foreground outside it in"
        remedy = "It is never trained on; give a larger data.crop."
        yield Finding(kind="crop", text=f"{text} {count_cases(ids)}. {remedy}", cases=ids)


def _find_padding(read: Sequence[CaseFacts], crop: Sequence[int]) -> Iterator[Finding]:
    """A crop that is far larger than any image."""
    axes = len(crop)
    largest = [max(sizes) for sizes in zip(*(case.working_shape[-axes:] for case in read), strict=True)]
    if largest and math.prod(crop) > _MAX_PADDING * math.prod(largest):
        better = ",".join(str(_STRIDE * math.ceil(size / _STRIDE)) for size in largest)
        what, size = {2: "slice", 3: "volume"}[axes], " x ".join(map(str, largest))
        text = (
            f"data.crop: should fit the images, got {list(crop)} with a largest {what} of {size}: the rest is padding. "
            f"data.crop=[{better}] is faster and takes less memory."
        )
        yield Finding(kind="crop", text=text)


def _find_shared_subjects(case_ids: Sequence[str]) -> Iterator[Finding]:
    alike = find_shared_start(case_ids)
    if alike:
        text = f"{' and '.join(alike)}: look like scans of one person, but each case counts as a person."
        remedy = "If they are, say so, or a person is trained on and tested: 'data.source.subject_pattern=\"(.+)_\"'."
        yield Finding(kind="subject", text=f"{text} {remedy}", cases=alike)
