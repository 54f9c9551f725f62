"""Places and settings of a command line."""

from __future__ import annotations

import pytest

from mlseg.checks import ConfigError
from mlseg.cli.typed_words import split_words


def test_places_keep_their_order_and_the_last_value_counts() -> None:
    words = ["b", "output=x", "a/seed=1", "output", "output=y=z", ""]
    assert split_words(words, ("output",), prog="p") == (["b", "a/seed=1", "output", ""], {"output": "y=z"})


@pytest.mark.parametrize("word", ["-m", "--output=x"])
def test_there_are_no_options(word: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{word}: no such option. See mlseg-x --help.$"):
        split_words(["a", word], ("output",), prog="mlseg-x")
