"""The command line of programs that take places and settings: `PLACE ... key=value ...`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mlseg.checks import ConfigError


def split_words(arguments: Sequence[str], keys: Collection[str], *, prog: str) -> tuple[list[str], dict[str, str]]:
    """Places in their order, and what is given for `keys`; a place may hold =, as run directories do.

    Args:
        arguments: the words.
        keys: the settings that there are; of one that is given several times the last counts.
        prog: the program, for the error.

    Raises:
        ConfigError: a word that begins like an option.

    Example:
        >>> split_words(["outputs/a", "title=Losses", "b=c"], ("title",), prog="mlseg-report")
        (['outputs/a', 'b=c'], {'title': 'Losses'})
    """
    places, given = [], {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if equals and key in keys:
            given[key] = text
        elif argument.startswith("-"):
            raise ConfigError(f"{argument}: no such option. See {prog} --help.")
        else:
            places.append(argument)
    return places, given
