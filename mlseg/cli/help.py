"""What `--help` says: what the command does, what can be chosen, what to type, where the results go."""

from __future__ import annotations

from pathlib import Path

from mlseg.cli.compose import find_config_dir, read_yaml

ABOUT = {
    "train": "trains a segmentation network, then judges its best checkpoint on the test split.",
}
EXAMPLES = {
    "train": (
        ("experiment=demo", "the newcomer's first run, on the phantom"),
        ("loss=mbls data.root=/my/ACDC", "margin-based label smoothing on your ACDC"),
        ("loss=mbls loss.margin=5 seed=2", "another margin, another seed"),
        ("-m loss=mbls loss.margin=3,5,8,10", "a sweep; a stopped one goes on where it was"),
        ("--cfg job loss=mbls", "every setting with its value, nothing is run"),
    ),
}
RESULTS = {
    "train": "outputs/<data>/<model>/<loss>/<what differs>/seed<k>: scores.csv, run.json, checkpoints, TensorBoard.\n"
    "The same command goes on where it was, or says that it is done.",
}
OPTIONS = (
    ("-m", "run every combination of values separated by commas"),
    ("--cfg job", "print the configuration (--resolve fills references in)"),
    ("--config-dir DIR", "compose from your own configs too"),
    ("-sc install=bash", "completion for your shell: eval the output"),
    ("--version", "print the version"),
)


def format_help(prog: str, config_name: str, *, typed: str = "") -> str:
    """The help text of one command.

    Args:
        prog: its name.
        config_name: what it composes, e.g. "train".
        typed: how it is typed here, if not by its name.
    """
    typed = typed or prog
    folder = find_config_dir()
    lines = [f"{prog} {ABOUT[config_name]}" if config_name in ABOUT else prog, ""]
    lines += [
        f"usage: {typed} [-m] [group=choice ...] [setting=value ...]",
        "",
        "Groups and choices (* is the default):",
    ]
    standard = _read_defaults(folder / f"{config_name}.yaml")
    for group, choice in standard.items():
        names = sorted(path.stem for path in (folder / group).glob("*.yaml"))
        lines.append(f"  {group:<12}{', '.join(f'*{name}' if name == choice else name for name in names)}")
    examples = EXAMPLES.get(config_name, ())
    lines += ["", "Examples:", *_align([(f"{typed} {words}", what) for words, what in examples])] if examples else []
    lines += ["", "Options:", *_align(OPTIONS)]
    lines += (
        ["", "Results:", *(f"  {line}" for line in RESULTS[config_name].splitlines())] if config_name in RESULTS else []
    )
    return "\n".join(lines)


def _align(rows: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> list[str]:
    width = max(len(left) for left, _ in rows) + 2
    return [f"  {left:<{width}}{right}" for left, right in rows]


def _read_defaults(path: Path) -> dict[str, str | None]:
    """Group -> default choice, as the primary config lists them."""
    entries = read_yaml(path).get("defaults", [])
    pairs = [next(iter(entry.items())) for entry in entries if isinstance(entry, dict)]
    return {key.removeprefix("optional "): choice for key, choice in pairs if not key.startswith("override ")}
