"""How a paper's table words its numbers, and its caption: the same in Markdown, LaTeX and on the screen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlseg.report.comparisons import ALPHA, FEWEST_TESTED, Comparison
from mlseg.report.definitions import PROTOCOLS, SETTINGS, describe_region
from mlseg.report.paper_cells import Block, Entry, TableResult
from mlseg.report.statistics import FEWEST, LEVEL, MANY
from mlseg.report.subject_values import Measure

EMPTY = ""
THEIRS = "theirs"


def format_number(value: float, unit: str = "1", *, sign: bool = False) -> str:
    """Three decimals of a ratio, two of a distance; "n/a" if undefined.

    Example:
        >>> format_number(0.91249), format_number(8.7149, "mm"), format_number(-0.01, sign=True)
        ('0.912', '8.71', '-0.010')
    """
    if math.isnan(value):
        return "n/a"
    decimals = 3 if unit in ("1", "nat") else 2
    text = f"{value:+.{decimals}f}" if sign else f"{value:.{decimals}f}"
    return text if float(text) != 0 else text.replace("-", "+" if sign else "")


def format_spread(entry: Entry) -> str:
    """The interval in brackets; below three subjects their values in braces."""
    unit = entry.values.unit
    if entry.interval.kind != "none":
        return f"[{format_number(entry.interval.low, unit)}, {format_number(entry.interval.high, unit)}]"
    points = [value for value in entry.values.per_subject if not math.isnan(value)]
    return "{" + "; ".join(format_number(value, unit) for value in points) + "}" if points else ""


def format_missed(entry: Entry | None) -> str:
    """Structures missed and invented over all runs, "2 / 0"; "" where they are not counted."""
    if entry is None or entry.values.n_missed is None or entry.values.n_invented is None:
        return EMPTY
    return f"{entry.values.n_missed} / {entry.values.n_invented}"


def format_p(p: float) -> str:
    """A p value with two digits; "no test" if there was none.

    Example:
        >>> format_p(0.0312), format_p(0.00001), format_p(float("nan"))
        ('0.031', '< 0.001', 'no test')
    """
    if math.isnan(p):
        return "no test"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def format_difference(found: Comparison, unit: str) -> str:
    """Mean difference and interval, p after Holm, effect sizes, n."""
    parts = [format_number(found.difference, unit, sign=True)]
    if found.interval.kind != "none":
        low, high = (format_number(end, unit, sign=True) for end in (found.interval.low, found.interval.high))
        parts.append(f"[{low}, {high}]")
    p = format_p(found.p_holm)
    effects = [p if p == "no test" else f"p {p}" if p.startswith("<") else f"p = {p}"]
    effects += [f"d_z {found.d_z:+.2f}"] if not math.isnan(found.d_z) else []
    effects += [f"r {found.rank_biserial:+.2f}"] if not math.isnan(found.rank_biserial) else []
    return f"{' '.join(parts)} ({', '.join([*effects, f'n = {found.n}'])})"


def name_measure(measure: Measure, unit: str) -> str:
    """A column's heading with its unit."""
    return measure.title if unit == "1" else f"{measure.title} ({unit})"


def describe_block(block: Block) -> str:
    """Who was tested: subjects, cases, seeds, split, undefined values."""
    first = next(iter(block.entries.values())).values
    seeds = sorted({entry.values.n_seeds for entry in block.entries.values()})
    cases = max(entry.values.n_cases for entry in block.entries.values())
    shown = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    text = f"{_count(len(first.subjects), 'test subject')} ({_count(cases, 'case')}), {shown} seed"
    text += "" if seeds == [1] else "s"
    undefined = {
        f"{row} {m.title}": e.values.n_undefined
        for (row, m), e in block.entries.items()
        if e.values.n_undefined and m.evaluation == first.measure.evaluation
    }
    if undefined:
        text += f"; left out as undefined: {', '.join(f'{name} {n}' for name, n in undefined.items())}"
    return text + "."


def describe_table(result: TableResult) -> list[str]:
    """The caption's sentences: profile, protocol, bins, inference, what the marks mean, what is missing."""
    spec = result.spec
    protocols = list(dict.fromkeys(m.evaluation for block in result.blocks for _, m in block.entries))
    sentences = [f"Profile {spec.profile}: {spec.about}"]
    sentences += [f"evaluation={name}: {PROTOCOLS.get(name, name)}." for name in protocols]
    sentences.append(_describe_settings(result))
    sentences.append(
        "The unit of inference is the subject: a subject's frames are averaged first, then seeds, subjects, labels. "
        f"[a, b]: {LEVEL:.0%} interval of the mean over subjects (t below {MANY} subjects, BCa bootstrap from {MANY}); "
        f"below {FEWEST} subjects no interval but their values in braces."
    )
    sentences.append(
        "Bold: cannot be told from the best of its column (paired sign-flip test by subject, Holm over all comparisons "
        f"with the best, p >= {ALPHA}); with fewer than {FEWEST_TESTED} subjects nothing can be tested and nothing is "
        "bold. Missed / invented: structures over all cases, labels and seeds."
    )
    small = [f"{b.data} ({n})" for b in result.blocks if (n := count_subjects(b)) < FEWEST_TESTED]
    if small:
        sentences.append(f"Too few test subjects for any test: {', '.join(small)}.")
    sentences.append(describe_missing(result))
    return [sentence for sentence in sentences if sentence]


def describe_missing(result: TableResult) -> str:
    """Which cells are empty and why; "" if all is there."""
    reasons: dict[str, list[str]] = {}
    for (data, row), cell in result.spec.cells.items():
        if cell.reason:
            reasons.setdefault(cell.reason, []).append(f"{data} {row}")
    if not reasons:
        return ""
    parts = []
    for reason, cells in reasons.items():
        whole = {d for d in result.spec.data if all(f"{d} {row}" in cells for row in result.spec.rows)}
        named = [*sorted(whole), *(cell for cell in cells if cell.split(" ")[0] not in whole)]
        parts.append(f"{', '.join(named)} ({reason})")
    return f"Missing: {'; '.join(parts)}."


def count_subjects(block: Block) -> int:
    """The most subjects that a number of the block rests on."""
    return max(entry.values.n_subjects for entry in block.entries.values())


def _describe_settings(result: TableResult) -> str:
    """Bins and regions, as the first run has them; a block's runs agree in them."""
    for cell in result.spec.cells.values():
        if cell.runs is not None:
            settings = cell.runs.first.settings
            own = {name: float(settings.get(f"evaluation.default.{name}", usual)) for name, usual in SETTINGS.items()}
            regions = dict.fromkeys(m.region for block in result.blocks for _, m in block.entries)
            texts = [f"{region} = {describe_region(region, own)}" for region in regions]
            return f"ECE and CECE with {own['bins']:g} bins; regions: {'; '.join(texts)}."
    return ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def number_runs(result: TableResult) -> dict[tuple[str, str], int]:
    """(data, row) -> the number of its footnote, in the order of the table."""
    cells: Sequence[tuple[str, str]] = [(d, r) for d in result.spec.data for r in result.spec.rows]
    found = [key for key in cells if result.spec.cells[key].runs is not None]
    return {key: place + 1 for place, key in enumerate(found)}
