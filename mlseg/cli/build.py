"""From a checked configuration to the objects of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mlseg.checks import ConfigError, MlsegError

if TYPE_CHECKING:
    from mlseg.data.cache import PreparedSet
    from mlseg.data.patches import PatchLoader
    from mlseg.data.preprocess import Preprocessing
    from mlseg.data.slices import SliceLoader
    from mlseg.data.splits import Split
    from mlseg.engine.device import Compute
    from mlseg.engine.distributed import Group
    from mlseg.engine.inference import Inference
    from mlseg.types import CaseFiles, CaseSource, EvaluationProtocol


@dataclass(frozen=True, kw_only=True)
class Data:
    """The prepared cases of a run, by part of the split."""

    train: PreparedSet
    val: PreparedSet
    test: PreparedSet
    split: Split
    fingerprint: str

    def facts(self) -> dict[str, Any]:
        """What must not change while a run goes on: which files, and who is in which part."""
        parts = {"train": self.split.train, "val": self.split.val, "test": self.split.test}
        return {"fingerprint": self.fingerprint, **{part: list(subjects) for part, subjects in parts.items()}}

    def cases(self) -> dict[str, list[str]]:
        """Case id -> its subject and a hash of its files, by which a later evaluation knows them again."""
        return {case: found for part in (self.train, self.val, self.test) for case, found in identify(part).items()}


def identify(cases: PreparedSet) -> dict[str, list[str]]:
    """Case id -> its subject and a hash of its files."""
    contents = cases.contents
    return {files.case_id: [files.subject_id, contents[files.case_id]] for files in cases.files}


def build(node: DictConfig, **arguments: Any) -> Any:
    """Instantiate a component; a mistake in its arguments becomes one line.

    Raises:
        ConfigError: the constructor does not accept the arguments.
    """
    try:
        return instantiate(node, _convert_="all", **arguments)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, MlsegError):
            raise cause from None
        reason = " ".join(str(cause or error).split())[:300]
        target = node.get("_target_")
        raise ConfigError(f"{target}: cannot be built ({reason}). Correct its settings or its code.") from error


def build_data(cfg: DictConfig) -> Data:
    """List, split, check and prepare the cases of a run."""
    from mlseg.data.splits import DEFAULT_FOLDS, DRAWN, resolve_split
    from mlseg.data.subjects import check_subjects

    data = cfg.data
    source = build(data.source)
    files = source.list_cases()
    if data.split in DRAWN:
        check_subjects((case.case_id for case in files), getattr(source, "subject_pattern", ""))
    split = resolve_split(
        data.split,
        files,
        fractions=tuple(data.split_fractions),
        seed=data.split_seed,
        fold=data.get("fold", 0),
        folds=data.get("folds", DEFAULT_FOLDS),
    )
    prepared = prepare(cfg, source, files, subjects={*split.train, *split.val, *split.test})
    return Data(
        train=prepared.subset(split.train),
        val=prepared.subset(split.val),
        test=prepared.subset(split.test),
        split=split,
        fingerprint=prepared.fingerprint,
    )


def prepare(cfg: DictConfig, source: CaseSource, files: Sequence[CaseFiles], *, subjects: Set[str]) -> PreparedSet:
    """Check and prepare the cases of some subjects, in the order of `files`."""
    from mlseg.data.cache import prepare_cases

    wanted = [case for case in files if case.subject_id in subjects]
    place, workers = Path(cfg.data.cache_dir), cfg.data.workers
    return prepare_cases(source, wanted, build_preprocessing(cfg.data), cache_dir=place, workers=workers)


def build_preprocessing(data: DictConfig) -> Preprocessing:
    """What is done to every case, from the part `data` of a configuration; older ones lack some of its keys."""
    from mlseg.data.preprocess import Preprocessing

    return Preprocessing(
        clip_percentiles=tuple(data.clip_percentiles),
        spacing_mm=None if data.spacing_mm is None else tuple(data.spacing_mm),
        normalise_over=data.get("normalise_over", "volume"),
    )


def build_loader(
    cfg: DictConfig, cases: PreparedSet, compute: Compute, group: Group | None = None
) -> SliceLoader | PatchLoader:
    """Training batches: slices, or patches of volumes where data.dims is 3; of several processes each its share."""
    from mlseg.data.patches import PatchLoader
    from mlseg.data.sharing import Share
    from mlseg.data.slices import SliceLoader

    data = cfg.data
    common: dict[str, Any] = {
        "crop": tuple(data.crop),
        "batch_size": data.batch_size,
        "seed": cfg.seed,
        "device": str(compute.device),
        "residency": data.residency,
        "augment": build(cfg.augment),
        "share": Share(rank=group.rank, world=group.world) if group else None,
    }
    if data.dims == 3:
        share = data.foreground_share
        return PatchLoader(cases, patches_per_case=data.patches_per_case, foreground_share=share, **common)
    # Runs from before the setting have none.
    return SliceLoader(cases, skip_blank=data.skip_blank, jitter=data.get("crop_jitter", 0), **common)


def settle_checkpoint_score(cfg: DictConfig, cases: int) -> DictConfig:
    """The configuration, with the last epoch as the best where there are no validation cases to choose by."""
    if cases or cfg.evaluation.checkpoint_score == "last":
        return cfg
    print("no validation subjects in this split: the network of the last epoch is evaluated")
    settled = cfg.copy()
    settled.evaluation.checkpoint_score = "last"
    return settled


def build_optimizer(cfg: DictConfig, parameters: Any) -> tuple[Any, Any]:
    """The optimizer over these parameters and its learning-rate schedule."""
    make_optimizer: Callable[..., Any] = build(cfg.optimizer)
    make_scheduler: Callable[..., Any] = build(cfg.scheduler)
    try:
        optimizer = make_optimizer(parameters)
        return optimizer, make_scheduler(optimizer)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ConfigError(f"optimizer or scheduler: cannot be built ({error}). Check their settings.") from error


def build_inference(cfg: DictConfig, compute: Compute) -> Inference:
    """How predictions are made for validation."""
    from mlseg.engine.inference import Inference

    evaluation = cfg.evaluation
    return Inference(
        compute=compute, crop=tuple(cfg.data.crop), mode=evaluation.inference, batch_size=evaluation.batch_size
    )


def build_protocols(cfg: DictConfig) -> list[EvaluationProtocol]:
    """The evaluation protocols, the headline first."""
    return [build(cfg.evaluation[name]) for name in cfg.evaluation.protocols]


def can_grow(cfg: DictConfig) -> bool:
    """True if a larger trainer.max_epochs continues a run; False if another setting, such as a schedule, follows it."""
    return "${trainer.max_epochs}" not in OmegaConf.to_yaml(cfg, resolve=False)


def to_yaml(cfg: DictConfig) -> str:
    """The whole resolved configuration."""
    return OmegaConf.to_yaml(cfg, resolve=True)
