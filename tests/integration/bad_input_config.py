"""Bad inputs: words of a command line and what is said to them, exactly; * stands for anything."""

from __future__ import annotations

# The words -> the message; typed after those of a small training, into the directory of a finished run.
TRAIN = {
    # Groups, choices and settings that do not exist.
    "los=ce": "los: no such group or setting. Did you mean loss? Groups: *",
    "loss=mblz": "loss=mblz: no such choice. Did you mean mbls? Choices: ce, *",
    "loss.margn=3": "loss.margn: loss=mbls has no such setting. Did you mean loss.margin?",
    "+model.depth=3": "model.depth: model=unet has no such setting. Did you mean model.widths?",
    "~loss": "loss: a run needs one, got none. Give loss=... (see --help).",
    "mbls": "mbls: must be written key=value. Did you mean loss=mbls?",
    "=": "=: must be written key=value.",
    "loss=[a": "loss=[a: cannot be read (*). Write key=value, special characters in quotes.",
    "--loss=ce": "--loss=ce: no such option. Settings have no dashes: loss=ce.",
    "--config-dir /nowhere": "--config-dir: no such folder '/nowhere'. Give the folder that holds your loss/, *",
    "--cfg jobb": "command line: argument --cfg/-c: invalid choice: 'jobb' (*). See --help for what can be written.",
    "hydra/launcher=spaceship": "hydra/launcher=spaceship: no such choice. Choices: basic*",
    "loss.margin=${oops}": "loss.margin: must have a value, got '${oops}' (Interpolation key 'oops' not found). *",
    "loss._target_=mlseg.losses.mbls.Nope": "loss._target_: mbls.py has no Nope. Correct the name.",
    # Values out of range or of another kind.
    "loss.margin=-1": "loss.margin: must be a number of at least 0, got -1. Give loss.margin such a value.",
    "loss.margin=wide": "loss.margin: must be a number of at least 0, got 'wide'. Give loss.margin such a value.",
    "data.crop=[32]": "data.crop: must be two whole numbers of at least 1, got [32]. Give e.g. data.crop=[192,192].",
    "data.split_fractions=[0.5,0.5,0.5]": "data.split_fractions: must be three shares that add up to 1, *",
    "evaluation.checkpoint_score=dise": "evaluation.checkpoint_score: must be one of dice, iou, last, got 'dise'. *",
    "evaluation.protocols=[papr]": "evaluation.protocols: must be protocols out of default, merged, paper, got 'papr'. "
    "Did you mean paper?",
    # Settings that do not go together.
    "trainer.amp=fp16 trainer.device=cpu": "trainer.amp: must be auto, bf16 or off on trainer.device=cpu, got 'fp16'. "
    "fp16 needs a CUDA GPU.",
    "data.num_classes=3": "data.num_classes: must be the number of data.source.labels (4), got 3. *",
    "data.in_channels=2": "data.in_channels: must be the number of data.source.channels (1), got 2. *",
    "model.num_classes=3": "model.num_classes: must be data.num_classes (4), got 3. Leave model.num_classes out.",
    "evaluation.default.labels=[a,b]": "evaluation.default.labels: must be data.source.labels (*), got ['a','b']. *",
    "run_name=a/b": "run_name: must be the name of a folder, got 'a/b'. A whole path goes into run_dir=.",
    "run_dir=[a,b]": "run_dir: must be a folder, got ['a','b']. Give run_dir such a value.",
    "run_dir=null output_root=null": "output_root: must be a folder, got null. Give output_root=/path/to/a/folder.",
    "data.cache_dir=null": "data.cache_dir: must be a folder, got null. Give data.cache_dir=/path/to/a/folder.",
    # Splits and folders that are not there.
    "data.root=/nowhere": "data.root: no such folder '/nowhere'. Write it with `mlseg-phantom root=/nowhere`.",
    "data.split=nowhere.json": "data.split: must be a split file that exists, got nowhere.json. Correct the path.",
    "data.split=randm": "data.split: must be acdc, * or a path ending in .json, got 'randm'. Did you mean random?",
    "data.split=kfold data.fold=5": "data.fold: must be a whole number in [0, 4], got 5. Give data.fold such a value.",
    # Sweeps.
    "loss=ce,mbls": "loss=ce,mbls: several values make a sweep, which needs -m. Type mlseg-train -m *",
    "-m loss=ce,mbls loss.margin=3": "loss.margin=3: loss=ce has no such setting, only loss=mbls has. *",
    "-m seed=1,1": "sweep: each job needs a run directory of its own, but 2 of 2 would share {run}. *",
    "-m loss.margin=range(3,1)": "loss.margin: a sweep needs values, got none. Give at least one.",
    "-m data.batch_size=2,0": "data.batch_size: must be a whole number of at least 1, got 0. *",
}
# Several at once are counted.
MANY = {
    "seed=1.5": "seed: must be a whole number of at least 0, got 1.5. Give seed such a value.",
    "data.batch_size=0": "data.batch_size: must be a whole number of at least 1, got 0. Give data.batch_size such *",
    "data.residency=moon": "data.residency: must be one of auto, device, memory, disk, got 'moon'. *",
    "data.workers=0": "data.workers: must be a whole number of at least 1 or null, got 0. *",
    "model.norm=layer": "model.norm: must be one of none, batch, instance, group, got 'layer'. *",
    "optimizer.lr=0": "optimizer.lr: must be a number above 0, got 0. Give optimizer.lr such a value.",
    "trainer.max_epochs=0": "trainer.max_epochs: must be a whole number of at least 1, got 0. *",
    "evaluation.default.bins=7": "evaluation.default.bins: must be a divisor of 300, got 7. *",
    "data.spacing_mm=[0,1]": "data.spacing_mm: must be null or two numbers above 0, got [0,1]. Give e.g. *",
    "data.clip_percentiles=[99,1]": "data.clip_percentiles: must be two rising numbers within 0 and 100, got [99,1]. *",
    "trainer.device=tpu": "trainer.device: must be auto, cpu, cuda or cuda:<number>, got 'tpu'. *",
    "trainer.compile=maybe": "trainer.compile: must be true or false, got 'maybe'. The default is false.",
}
# Without the words of the small network, which other networks lack.
BARE = {
    "model=smp_unet data.dims=3 data.crop=[2,32,32]": "data.dims: must be 2 with model=smp_unet, which sees slices "
    "only, got 3. Give data.dims=2, or model=attunet|dynunet|segresnet|swinunetr|unet.",
}
# What is found only when the run's directory is new; the rest would be another configuration.
FRESH = {
    "data.split=loso data.fold=99": "data.fold: must be a whole number from 0 to 4, for 5 folds, got 99. *",
    "data.split=kfold data.folds=9": "data.folds: must be from 2 to the number of subjects (5), got 9. Give fewer *",
    "+optimizer.nonsense=1": "optimizer or scheduler: cannot be built (*unexpected keyword argument 'nonsense'). *",
    "model.strides=[2,2,2]": "UNet: strides must have one entry fewer than widths, got 3 strides for 2 widths. Give 1.",
    "data.source.labels=[a,a,b,c]": "ACDCSource: labels must be 2 to 256 different names, got ['a', 'a', 'b', 'c']. *",
    "trainer.device=cuda:77": "trainer.device: 'cuda:77' is not there (* GPUs found). Use trainer.device=auto or cpu.",
}
FAILED = {
    "data.split=acdc": "split acdc: all its subjects must be on disk, got 95 of 100 missing (*). Download the rest, *",
    "data.crop=[1000000,1000000]": "out of memory (*). Give a smaller data.batch_size, evaluation.batch_size or "
    "data.crop, or data.residency=disk.",
    "optimizer.lr=1e30": "training: loss must be finite, got nan at step * (cases patient*). Lower optimizer.lr, *",
}
OTHER_SETTINGS = {
    "loss.margin=3": "{run}: belongs to a run with another configuration: loss.margin (10.0 there, 3 now). "
    "Give run_name=... for a second run.",
}
EVALUATE = {
    "part=tset": "part: must be one of test, val, train, got 'tset'. Did you mean test?",
    "checkpoint=bst": "checkpoint: must be best, last or a file, got 'bst'. Did you mean best?",
    "loss.margin=3": "loss.margin=3: must be left to the run, which keeps its settings. What can be changed: *",
    "evaluation.precisio=bf16": "evaluation.precisio: evaluation has no such setting. Did you mean *.precision?",
    "output={run}": "output: must be a new folder or an earlier evaluation, got {run}, which is something else. *",
    "run=/nowhere": "run: no such folder '/nowhere'. Give run=outputs/*",
    "run={phantom}": "run: must be the directory of a run, with its config.yaml, got '{phantom}'. Give run=outputs/*",
    "run={run}/best.pt": "run: must be a directory, got the file '{run}/best.pt'. Give run={run}.",
}

ENTRIES = [
    *({"words": words, "says": says, "code": 2} for words, says in TRAIN.items()),
    {"words": " ".join(MANY), "says": (f"{len(MANY)} problems:", *MANY.values()), "code": 2, "name": "many at once"},
    *({"words": words, "says": says, "code": 2, "small": False} for words, says in BARE.items()),
    *({"words": words, "says": says, "code": 2, "fresh": True} for words, says in FRESH.items()),
    *({"words": words, "says": says, "fresh": True} for words, says in FAILED.items()),
    *({"words": words, "says": says} for words, says in OTHER_SETTINGS.items()),
    *({"words": words, "says": says, "code": 2, "command": "evaluate"} for words, says in EVALUATE.items()),
]
