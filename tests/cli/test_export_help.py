"""The help of `mlseg-export`."""

from __future__ import annotations

import pytest

from mlseg.cli.compose import find_config_dir, flatten, read_yaml
from mlseg.cli.export import main
from mlseg.cli.export_help import HELP


def test_every_setting_is_explained():
    tree = read_yaml(find_config_dir() / "export.yaml")
    keys = flatten({key: value for key, value in tree.items() if key not in ("defaults", "hydra")})
    assert len(keys) >= 8
    settings = HELP.split("Settings:")[1].split("Examples:")[0]
    assert [key for key in keys if f"{key}=" not in settings] == []
    assert max(map(len, HELP.splitlines())) <= 120


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_it_is_printed_at_once(monkeypatch, capsys, word):
    monkeypatch.setattr("sys.argv", ["mlseg-export", word, "run=x"])
    main()
    assert capsys.readouterr().out == HELP
