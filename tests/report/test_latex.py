"""LaTeX that compiles: braces and environments close, columns are as many as announced."""

from __future__ import annotations

import re

import pytest

from mlseg.report.latex import escape, format_latex
from mlseg.report.paper_cells import analyse


@pytest.fixture
def text(make_spec):
    kinds = {"acdc": {"CE+DSC": {}, "m = 5": {"shift": 0.1}}, "brats": {"CE+DSC": None, "m = 5": None}}
    return format_latex(analyse(make_spec(kinds, pairs=(("m = 5", "CE+DSC"),))))


def without_comments(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith("%"))


def test_everything_that_opens_closes(text):
    plain = re.sub(r"\\[{}]", "", without_comments(text))
    depth = 0
    for character in plain:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    for name in ("table*", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") > 3


def test_rows_have_the_columns_that_were_announced(text):
    for head, body in re.findall(r"\\begin\{tabular\}\{(l[c]*)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) >= 2
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(head) - 1}


def test_special_characters_are_printed_not_obeyed(text):
    assert escape("50% of {a_b} & c#d $ ~^\\ ±") == (
        r"50\% of \{a\_b\} \& c\#d \$ \textasciitilde{}\textasciicircum{}\textbackslash{} \ensuremath{\pm}"
    )
    stray = re.sub(r"\\[%&$#_{}]", "", without_comments(text)).replace("{!}{%", "")
    assert not re.search(r"[%$#_]", stray.replace("table*", "")), "an unescaped special character"


def test_best_is_bold_and_runs_are_named(text, tmp_path):
    assert re.search(r"m = 5 & \\textbf\{0\.8\d\d\} \{\\scriptsize \[", text)
    assert f"% 2. acdc, m = 5: {(tmp_path / 'acdc' / 'm = 5' / 'seed1').as_posix()}" in text
