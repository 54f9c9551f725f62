r"""A paper's table in LaTeX: one `table*` per grid, for booktabs and graphicx."""

from __future__ import annotations

from mlseg.report.paper_cells import TableResult
from mlseg.report.paper_grids import Grid, TextCell, build_grids
from mlseg.report.paper_words import describe_table, number_runs

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"\ensuremath{\pm}",
}
_HEAD = (
    "% Made by mlseg; needs \\usepackage{booktabs} and \\usepackage{graphicx}.",
    "% The runs behind each number are at the end of this file and in the CSV beside it.",
)


def format_latex(result: TableResult) -> str:
    """All tables, with the caption's sentences in the first and the runs as comments at the end."""
    grids = build_grids(result)
    caption = escape(f"{result.spec.title}. {' '.join(describe_table(result))}")
    parts = ["\n".join(_HEAD)]
    for place, grid in enumerate(grids):
        label = f"tab:mlseg-{result.spec.name}-{result.spec.profile}-{place + 1}"
        parts.append(_draw(grid, caption if place == 0 else "", label))
    parts.append("\n".join(_list_runs(result)))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it is.

    Example:
        >>> escape("d_z < 5 %")
        'd\\_z \\textless{} 5 \\%'
    """
    return "".join(_SPECIAL.get(character, character) for character in text)


def _draw(grid: Grid, caption: str, label: str) -> str:
    sentences = [f"{escape(grid.title)}.", escape(grid.note), escape(grid.footnote), caption]
    head = " & ".join(escape(name) for name in grid.columns)
    rows = [" & ".join([escape(name), *(_format(cell) for cell in cells)]) + r" \\" for name, cells in grid.rows]
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"\centering",
            rf"\caption{{{' '.join(sentence for sentence in sentences if sentence)}}}",
            rf"\label{{{label}}}",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{l{'c' * (len(grid.columns) - 1)}}}",
            r"\toprule",
            rf"{head} \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
        ]
    )


def _format(cell: TextCell) -> str:
    text = rf"\textbf{{{escape(cell.text)}}}" if cell.bold and cell.text else escape(cell.text)
    return rf"{text} {{\scriptsize {escape(cell.small)}}}" if cell.small else text


def _list_runs(result: TableResult) -> list[str]:
    lines = ["% Runs:"]
    for (data, row), number in number_runs(result).items():
        runs = result.spec.cells[data, row].runs
        assert runs is not None  # only cells with runs have a number
        lines.append(f"% {number}. {data}, {row}: {', '.join(run.path.as_posix() for run in runs.runs)}")
    return lines
