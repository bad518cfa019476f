"""Losses of both GANs, each a mean over its batch, and their weighted sum.

[dots]: l_G = alpha l_Gen + beta l_MSE + gamma l_VGG                                             (2)
        l_Gen = mean(-log D(G(I_LR)))  or  mean(1 - D(G(I_LR)))                                  (3)
        l_MSE = 1/(W H) sum (I_HR - G(I_LR))^2 + lambda mean |grad G(I_LR)|^2                    (4)
        l_VGG = 1/(W_ij H_ij) sum (phi_ij(I_HR) - phi_ij(G(I_LR)))^2                             (5)
        l_D   = -[log D(I_HR) + log(1 - D(G(I_LR)))]  or  1 - D(I_HR) + D(G(I_LR))               (6)
[cgan]: O = sum -D(G(I_B))                                                                       (6)
        D_ = |VGG16_block3_conv3(G(I_B)) - VGG16_block3_conv3(x)|                                (7)

D is a probability in [dots] and a score in [cgan]; here a discriminator returns its logit or score.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn import functional

from qrestore.learning.vgg import Name, load_vgg, random_vgg

Distance = Literal["l1", "l2"]
Pixel = Literal["l1", "l2", "entropy"]
Reading = Literal["logarithm", "linear", "score"]


@dataclass(frozen=True)
class Feature:
    """The feature loss: of which features, and how far apart.

    `kind` : `none`, `random` VGG weights, those of a `file` (`path`, `sha256`), or what the
    `discriminator` sees, which costs nothing more.
    """

    kind: Literal["none", "random", "file", "discriminator"] = "none"
    weight: Annotated[float, Ge(0)] = 0
    distance: Distance = "l2"
    network: Name = "vgg19"
    block: Annotated[int, Gt(0)] = 2
    convolution: Annotated[int, Gt(0)] = 2
    path: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        if (self.kind == "file") != (self.path is not None and self.sha256 is not None):
            raise ValueError(f"feature loss {self.kind!r}: path and sha256 are for `file`, which needs both")


@dataclass(frozen=True)
class Terms:
    """What the generator's loss is made of; weights from 0."""

    pixel: Pixel
    pixel_weight: Annotated[float, Ge(0)]
    gradient: Annotated[float, Ge(0)]
    """lambda of [dots] eq. 4."""
    footprint: Annotated[float, Ge(0)]
    """Cross-entropy on the pixels where dots may stand."""
    adversarial: Annotated[float, Ge(0)]
    reading: Reading
    """Of [dots] eq. 3, 6: logarithm or linear; of [cgan] eq. 6: score."""
    feature: Feature


def distance(kind: Distance, restored: Tensor, ideal: Tensor) -> Tensor:
    """Mean absolute (l1) or mean square (l2) difference."""
    return (functional.l1_loss if kind == "l1" else functional.mse_loss)(restored.float(), ideal.float())


def entropy(restored: Tensor, ideal: Tensor) -> Tensor:
    """Cross-entropy of every pixel, the restored one being the probability of a white one."""
    probability = restored.float().clamp(1e-6, 1 - 1e-6)
    return functional.binary_cross_entropy(probability, ideal.float(), reduction="none")


def gradient_loss(restored: Tensor) -> Tensor:
    """Mean square gradient: the regulariser of [dots] eq. 4, whose operator the text lost (NETWORKS 1.4)."""
    return restored.diff(dim=-1).square().mean() + restored.diff(dim=-2).square().mean()


def footprint_loss(restored: Tensor, ideal: Tensor, footprint: Tensor) -> Tensor:
    """Cross-entropy of the pixels of `footprint` (1 there, else 0), where dots may stand.

    Dots of one pixel cover so little that the all-black image is a strong local optimum of the mean
    square alone (NETWORKS 0.3).
    """
    every = entropy(restored, ideal)
    return (every * footprint).sum() / footprint.expand_as(every).sum()


def adversarial_loss(reading: Reading, of_restored: Tensor) -> Tensor:
    """What the generator pays for a restored image that is told from a true one."""
    score = of_restored.float()
    if reading == "logarithm":
        return functional.softplus(-score).mean()
    return 1 - score.sigmoid().mean() if reading == "linear" else -score.mean()


def critic_loss(reading: Reading, of_ideal: Tensor, of_restored: Tensor) -> Tensor:
    """What the discriminator pays; [cgan] has none of its own but eq. 4, the logarithm."""
    true, false = of_ideal.float(), of_restored.float()
    if reading == "linear":
        return 1 - true.sigmoid().mean() + false.sigmoid().mean()
    return functional.softplus(-true).mean() + functional.softplus(false).mean()


def features_of(feature: Feature) -> nn.Module | None:
    """VGG of a feature loss; None where the loss needs none.

    Raises
    ------
    ValueError
        A weights file that is missing, foreign or not the one that the recipe names.
    """
    layer = (feature.network, feature.block, feature.convolution)
    if feature.kind == "file":
        return load_vgg(*layer, Path(str(feature.path)), str(feature.sha256))
    return random_vgg(*layer) if feature.kind == "random" else None


def pixel_loss(terms: Terms, restored: Tensor, ideal: Tensor, footprint: Tensor | None) -> Tensor:
    """Weighted sum of what needs no other network; `ideal` may have fewer channels, all the same."""
    ideal = ideal.expand_as(restored)
    by_pixel = entropy(restored, ideal).mean() if terms.pixel == "entropy" else distance(terms.pixel, restored, ideal)
    loss = terms.pixel_weight * by_pixel
    if terms.gradient:
        loss = loss + terms.pixel_weight * terms.gradient * gradient_loss(restored)
    if terms.footprint and footprint is not None:
        loss = loss + terms.footprint * footprint_loss(restored, ideal, footprint)
    return loss


def feature_loss(feature: Feature, see: Callable[[Tensor], Tensor], restored: Tensor, ideal: Tensor) -> Tensor:
    """Distance of the features of two images; those of `ideal` are fixed."""
    with torch.no_grad():
        aim = see(ideal.expand_as(restored))
    return distance(feature.distance, see(restored), aim)
