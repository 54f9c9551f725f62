"""Marginal L1 average calibration error."""

from __future__ import annotations

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.functional.marginal_calibration import average_calibration_error
from mlseg.functional.neighbourhood import encode_one_hot
from mlseg.losses.termwise import TermwiseLoss


class ML1ACELoss(TermwiseLoss):
    """Marginal L1 average calibration error (mL1-ACE): mean over images and classes of their calibration error.

    The error of an image and a class is the mean over the filled bins of |mean probability - share of the class|, each
    bin counting alike. Classes that an image lacks are left out, as in the authors' configuration. It is no training
    loss by itself: predicting each class's share everywhere makes it 0. configs/loss/ml1ace.yaml sums it with CE and
    Dice.

    Ignored voxels are in no bin; an image of ignored voxels only is left out of the mean.

    Args:
        bins: number of equal-width bins of [0, 1], at least 1.
        binning: "hard", each probability in one bin, or "soft", shared linearly between the nearest two.
        absent_classes: True counts the classes that an image lacks, too.
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar in [0, 1].

    Raises:
        ConfigError: if bins or binning is out of range or the shapes do not belong together.

    Source:
        Barfoot et al., arXiv 2506.03942; hard bins: Barfoot et al., MICCAI 2024 (arXiv 2403.06759). 20 bins, absent
        classes left out: the authors' configuration files.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[[0.9, 0.7], [0.1, 0.3]]]).log()
        >>> ML1ACELoss(bins=10)(logits, torch.tensor([[0, 1]]))
        tensor(0.4000)
    """

    def __init__(
        self, bins: int = 20, binning: str = "hard", *, absent_classes: bool = False, ignore_index: int = -100
    ) -> None:
        check_arguments("mlseg.losses.ml1ace.ML1ACELoss", bins=bins, binning=binning, ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)
        self.bins = int(bins)
        self.binning = binning
        self.absent_classes = absent_classes

    def compute_terms(self, logits: Tensor, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Mean of the errors of the classes that are there."""
        probs = logits.softmax(dim=1)
        errors = average_calibration_error(probs, target, weight, bins=self.bins, soft=self.binning == "soft")
        voxels = encode_one_hot(target, weight, like=probs.detach()).flatten(2).sum(dim=2)
        if self.absent_classes:
            voxels = voxels.sum(dim=1, keepdim=True).expand_as(voxels)
        there = voxels.clamp(max=1)
        return {"ml1ace": (errors * there).sum() / there.sum().clamp(min=1)}
