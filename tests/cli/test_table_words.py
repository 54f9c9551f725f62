"""What is typed for a cell: what counts of settings that are given twice, and what they mean."""

from __future__ import annotations

import pytest
from hydra.errors import ConfigCompositionException

from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.table_plan import PROFILES, TABLES, read_named
from mlseg.cli.table_words import build_words, compose_words


@pytest.mark.parametrize("words", [["experiment=demo"], ["+trainer.max_epochs=3"], ["~model.norm"]])
def test_what_is_not_plain_is_left_to_hydra(workplace, words):
    with open_session("test"):
        if words[0].startswith("+"):
            with pytest.raises(ConfigCompositionException):
                compose_words(words)
        else:
            assert compose_words(words).cfg == compose_config(words).cfg


def test_a_row_beats_what_was_chosen_and_a_word_beats_both():
    settings = read_named(PROFILES, "paper")
    own = ["model=unet", "loss=mbls", "loss.margin=8"]
    words = build_words("acdc", own, settings, [])
    assert words == ("data=acdc", "evaluation=paper", "model=unet", "loss=mbls", "loss.margin=8")
    assert build_words("acdc", own, settings, ["loss.margin=20"]).count("loss.margin=20") == 1
    assert "loss.margin=8" not in build_words("acdc", own, settings, ["loss.margin=20"])


def test_margin_5_is_the_same_run_in_two_tables():
    settings = read_named(PROFILES, "paper")
    margin, main = (read_named(TABLES, name) for name in ("margin", "main"))
    rows = ([*margin["words"], *margin["rows"]["m = 5"]], [*main["words"], *main["rows"]["MbLS"]])
    first, second = (build_words("acdc", row, settings, []) for row in rows)
    assert first == second
