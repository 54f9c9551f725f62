"""The configuration of a run as what the words of mlseg-calibrate are laid over."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hydra.core.config_store import ConfigStore

from mlseg.cli.compose import find_config_dir, read_yaml
from mlseg.cli.judged_run import read_run
from mlseg.cli.run_base import CONFIG as JUDGED_CONFIG
from mlseg.cli.run_base import build_base, find_base
from mlseg.cli.suggest import parse_word

CONFIG = "calibrate"


def find_calibrate_base(words: Sequence[str]) -> str:
    """The primary config of a job: the configuration of the run that it names; "calibrate" if it names none.

    Raises:
        ConfigError: the run is none, or a word would make it another one.
        RunError: the run's records cannot be read.
    """
    # The same words can be given anew as for an evaluation.
    if find_base(words) == JUDGED_CONFIG:
        return CONFIG
    places = [o.value() for o in map(parse_word, words) if o.key_or_group == "run" and not o.is_sweep_override()]
    run = read_run(places[-1])
    node = {**read_yaml(find_config_dir() / f"{CONFIG}.yaml"), **build_base(run), "run": str(run.path)}
    name = f"{CONFIG}-{hashlib.sha256(repr(node).encode()).hexdigest()[:16]}"
    ConfigStore.instance().store(name=name, node=node)
    return name
