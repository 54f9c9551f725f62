"""How mlseg-doctor shows what it found: plain text that fits 80 columns and reads the same in a file."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from mlseg.data.inspection_findings import format_bytes, format_share

# So many files with one and the same problem are listed below it.
_MANY = 3
_SHOWN_COUNTS = 8
_DHW = "(d, h, w)"


def format_report(report: Mapping[str, Any], *, width: int | None = None) -> str:
    """The text of a report.

    Args:
        report: as `doctor.build_report` gives it.
        width: columns; None takes those of the terminal, 80 without one.
    """
    console = Console(highlight=False, markup=False, no_color=True, width=width)
    rows = Table.grid(padding=(0, 2))
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    for title, lines in _describe(report):
        rows.add_row(f"  {title}", "\n".join(lines))
    with console.capture() as captured:
        console.print(rows)
        if report["cases_read"]:
            console.print(_build_classes(report["classes"]))
    text = [line.rstrip() for line in captured.get().rstrip().splitlines()]
    text += _list_findings("problem", report["problems"], report["root"], console.width)
    text += _list_findings("warning", report["warnings"], report["root"], console.width)
    return "\n".join([*text, "", *_conclude(report)])


def format_verdict(problems: int, warnings: int) -> str:
    """The last line.

    Example:
        >>> format_verdict(0, 0), format_verdict(1, 2)
        ('no problems found', '1 problem, 2 warnings')
    """
    said = _count(warnings, "warning")
    if not problems:
        return f"no problems found, {said}" if warnings else "no problems found"
    return f"{_count(problems, 'problem')}, {said}"


def _describe(report: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """(title, lines) of each fact that is known."""
    name = f" ({report['name']})" if report["name"] not in (None, report["data"]) else ""
    yield "data set", [f"{report['data']}{name} in {report['root']}"]
    if report["cases"] is None:
        return
    yield "layout", [_format_place(place) for place in report["layout"]]
    unread = report["cases"] - report["cases_read"]
    lost = f"; {unread} can't be read" if unread else ""
    yield "cases", [f"{report['cases']} of {_count(report['subjects'], 'subject')}{lost}"]
    for title in ("frames", "groups"):
        if report[title]:
            yield title, [_format_counts(report[title])]
    if report["cases_read"]:
        yield "channels", [f"{c['name']}: {c['min']:.4g} to {c['max']:.4g}" for c in report["channels"]]
        yield "shape", _format_lengths(report["shape"], "voxels")
        yield "spacing", _format_lengths(report["spacing_mm"], "mm")
        codes = report["orientations"]
        yield "axes", [f"{next(iter(codes))} in all cases" if len(codes) == 1 else _format_counts(codes)]
    if report["corner_distance_mm"] is not None:
        yield "affines", [f"of one case at most {report['corner_distance_mm']:.2g} mm apart"]
    if report["split"]:
        yield "split", _format_split(report["split"])
    needs = report["needs"]
    disk, memory = format_bytes(needs["cache_bytes"]), format_bytes(needs["memory_bytes"])
    partly = ["(without the cases that can't be read)"] if unread else []
    yield "disk", [f"{disk} for the cache in {needs['cache_dir']} ({format_bytes(needs['disk_free_bytes'])} free)"]
    yield "memory", [f"{memory} for data.residency=memory ({format_bytes(needs['memory_free_bytes'])} free)", *partly]


def _format_place(place: Mapping[str, Any]) -> str:
    counts = [_count(place["folders"], "folder")] if place["folders"] > 1 else []
    counts += [_count(place[kind], kind[:-1]) for kind in ("images", "references") if place[kind]]
    return f"{place['place']}: {', '.join(counts)}"


def _format_counts(counts: Mapping[str, int]) -> str:
    shown = [f"{name or 'unknown'} {count}" for name, count in [*counts.items()][:_SHOWN_COUNTS]]
    more = len(counts) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more > 0 else [])])


def _format_lengths(lengths: Mapping[str, Any], unit: str) -> list[str]:
    """The range along each axis; the median and the number of different ones where there are several."""
    axes = zip(lengths["min"], lengths["max"], strict=True)
    text = f"{' x '.join(f'{low:.3g}' if low == high else f'{low:.3g}-{high:.3g}' for low, high in axes)} {unit} {_DHW}"
    if lengths["different"] == 1:
        return [f"{text} in all cases"]
    return [text, f"{lengths['different']} different, median {' x '.join(f'{n:.3g}' for n in lengths['median'])}"]


def _format_split(split: Mapping[str, Any]) -> list[str]:
    parts = {part: split[part] for part in ("train", "val", "test")}
    subjects = ", ".join(f"{part} {counts['subjects']}" for part, counts in parts.items())
    cases = ", ".join(str(counts["cases"]) for counts in parts.values())
    more = "" if all(c["subjects"] == c["cases"] for c in parts.values()) else f" ({cases} cases)"
    unused = split["unused"]["subjects"]
    left = [f"{_count(unused, 'subject')} more on disk in no part"] if unused else []
    return [f"{split['name']}: {subjects} subjects{more}", *left]


def _build_classes(classes: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=True)
    table.add_column(" class", overflow="fold")
    trained = any(row["training_subjects"] is not None for row in classes)
    for title in ("voxels", "share", "cases with", "without", *(["training subjects"] if trained else [])):
        table.add_column(title, justify="right")
    for row in classes:
        numbers = [f"{row['voxels']:,}", format_share(row["share"]), str(row["cases_with"]), str(row["cases_without"])]
        numbers += [str(row["training_subjects"])] if trained else []
        table.add_row(f" {row['name']}", *numbers)
    return table


def _list_findings(word: str, findings: Sequence[Mapping[str, Any]], root: str, width: int) -> list[str]:
    """All findings; what many files have in common is said once, with the files below it."""
    if not findings:
        return []
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for finding in findings:
        # The root stands in the first line of the report.
        text = finding["text"].removeprefix(f"{root}/") if finding["kind"] == "case" else finding["text"]
        head, _, tail = text.partition(": ")
        alike[tail].append(head)
    lines = ["", f"{_count(len(findings), word)}:"]
    for tail, heads in alike.items():
        if len(heads) <= _MANY:
            for head in heads:
                lines += _wrap(f"{head}: {tail}" if tail else head, width)
        else:
            lines += _wrap(f"{len(heads)} times: {tail}", width)
            lines += [f"      {head}" for head in heads]
    return lines


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent="  - ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _conclude(report: Mapping[str, Any]) -> list[str]:
    seconds, count = f"{report['seconds']:.1f} s", report["processes"]
    how = f" by {count} processes" if count > 1 else ""
    took = f"{_count(report['cases'] or 0, 'case')} looked at in {seconds}{how}"
    if report["cases"] is None:
        took = "nothing else can be looked at before that is right"
    return [took, format_verdict(len(report["problems"]), len(report["warnings"]))]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
