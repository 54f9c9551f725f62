"""What jobs that run at the same time share: GPUs, threads and the screen."""

from __future__ import annotations

import os
import re
from multiprocessing import current_process

from omegaconf import DictConfig

# Launchers that start several jobs on this machine. A cluster gives each job GPUs of its own.
LOCAL = ("joblib", "submitit_local")
VISIBLE, THREADS = "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"


def share_machine(cfg: DictConfig, *, launcher: str, number: int) -> DictConfig:
    """Give a job of a parallel sweep its part of the machine, before torch is loaded.

    With `trainer.device=auto` and several GPUs, the job sees one of them. On a cluster, it computes with as many
    threads as the job has cores, unless OMP_NUM_THREADS says otherwise.

    Args:
        cfg: the job's configuration.
        launcher: the choice of hydra/launcher.
        number: of the job among those that were started, from 0.

    Returns:
        The configuration, without a progress bar where several would draw over each other.
    """
    if os.environ.get("SLURM_CPUS_PER_TASK"):
        os.environ.setdefault(THREADS, os.environ["SLURM_CPUS_PER_TASK"])
    if launcher not in LOCAL or "trainer" not in cfg:
        return cfg
    if cfg.trainer.get("device") == "auto":
        choose_gpu(find_slot(number))
    if cfg.trainer.get("progress") == "auto":
        cfg = cfg.copy()
        cfg.trainer.progress = False
    return cfg


def find_slot(number: int) -> int:
    """The place of this process among those that run at the same time.

    A process of joblib's runs many jobs one after the other and keeps its place, so that it stays on one GPU and none
    is idle while another has two jobs.
    """
    worker = re.fullmatch(r"LokyProcess-(\d+)", current_process().name)
    return int(worker[1]) - 1 if worker else number


def choose_gpu(slot: int) -> None:
    """Let this process see one GPU only: `slot` modulo the number of GPUs. With one GPU or none it does nothing."""
    count = count_gpus()
    if count > 1:
        named = os.environ.get(VISIBLE)
        names = named.split(",") if named else [str(index) for index in range(count)]
        os.environ[VISIBLE] = names[slot % count].strip()


def count_gpus() -> int:
    """The GPUs that this process sees."""
    import torch

    return torch.cuda.device_count()
