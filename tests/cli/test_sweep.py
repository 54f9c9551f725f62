"""Command lines with many jobs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlseg.checks import RunError


def test_a_sweep_goes_on_after_a_failed_job(run):
    seen, results = [], []

    def task(cfg, info):
        seen.append(cfg.seed)
        assert info.multirun
        if cfg.seed == 2:
            raise RunError("seed: unlucky, got 2. Give another.")
        return 3 if cfg.seed == 3 else 0

    answer = run("loss=mbls", "-m", "seed=1,2,3,4", task=task, after_sweep=results.extend)
    assert seen == [1, 2, 3, 4]
    assert [result.code for result in results] == [0, 1, 3, 0]
    assert results[1].error == "seed: unlucky, got 2. Give another."
    assert results[1].cfg.seed == 2
    assert results[1].info.overrides == ("loss=mbls", "seed=2")
    assert answer.code == 1
    assert answer.err == [
        "mlseg-train: job 1 of 4 (seed=1)",
        "mlseg-train: job 2 of 4 (seed=2)",
        "mlseg-train: job 2 of 4 (seed=2): seed: unlucky, got 2. Give another.",
        "mlseg-train: job 3 of 4 (seed=3)",
        "mlseg-train: job 4 of 4 (seed=4)",
        "mlseg-train: 2 of 4 jobs failed, see above.",
    ]


@pytest.mark.parametrize("ending", [143, KeyboardInterrupt()])
def test_a_signal_to_one_job_ends_the_sweep(run, ending):
    seen = []

    def task(cfg, info):
        seen.append(cfg.seed)
        if isinstance(ending, BaseException):
            raise ending
        return ending

    if isinstance(ending, BaseException):
        assert run("-m", "seed=1,2", task=task).code == 130
    else:
        with pytest.raises(SystemExit) as stop:
            run("-m", "seed=1,2", task=task)
        assert stop.value.code == 143
    assert seen == [1]


def test_a_problem_of_one_job_is_told_before_any_runs(run):
    seen = []
    answer = run("-m", "loss=mbls", "loss.margin=3,-5", task=lambda cfg, info: seen.append(cfg))
    assert seen == []
    assert answer.code == 2
    assert len(answer.err) == 1
    assert answer.err[0].startswith("mlseg-train: loss.margin: must be a number of at least 0, got -5.")


def test_jobs_that_would_share_a_directory_are_refused(run):
    answer = run("-m", "trainer.device=cpu,cuda")
    assert answer.code == 2
    assert "2 of 2 would share outputs/acdc/unet/ce/default/seed1." in answer.err[0]


def test_a_sweep_over_processes(repo_root, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    script = tmp_path / "script.py"
    script.write_text(
        "from mlseg.checks import RunError\n"
        "from mlseg.cli.app import run_app\n"
        "from mlseg.cli.naming import run_directory\n"
        "def task(cfg, info):\n"
        "    if cfg.seed == 2: raise RunError('seed: unlucky. Give another.')\n"
        "    print(run_directory(cfg, info.choices), flush=True)\n"
        "run_app(task, config_name='train', prog='it', check=None, after_sweep=lambda r: print([x.code for x in r]))\n"
    )
    result = subprocess.run(
        [sys.executable, script, "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=1,2", "loss=mbls"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(repo_root), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    lines = result.stdout.splitlines()
    assert {"outputs/acdc/unet/mbls/default/seed1", "[0, 1]"} <= set(lines)
    assert "Sweep of 2 runs in outputs/acdc/unet/mbls/default: 1 done, 1 failed" in lines
    assert lines[-1] == "2 failed: seed: unlucky. Give another."
    assert "it: job 2 of 2 (seed=2): seed: unlucky. Give another." in result.stderr.splitlines()
    assert "Traceback" not in result.stderr
