"""Losses of the conditional GAN, each a mean over its batch."""

from torch import Tensor
from torch.nn import functional


def pixel_loss(restored: Tensor, ideal: Tensor) -> Tensor:
    """L1 distance; [cgan] has no pixel term, yet its MAE falls only with one (design: NETWORKS.md 1.8)."""
    return functional.l1_loss(restored, ideal)


def adversarial_loss(logits_of_restored: Tensor) -> Tensor:
    """-log D(restored), the non-saturating reading of [cgan] eq. (4), (6): softplus(-logit)."""
    return functional.softplus(-logits_of_restored.float()).mean()


def critic_loss(logits_of_ideal: Tensor, logits_of_restored: Tensor) -> Tensor:
    """-[log D(ideal) + log(1 - D(restored))], [cgan] eq. (4), on logits."""
    true = functional.softplus(-logits_of_ideal.float()).mean()
    return true + functional.softplus(logits_of_restored.float()).mean()
