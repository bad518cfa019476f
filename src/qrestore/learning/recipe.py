"""What the weights of a network follow from, as `params.yaml` says it; `paper` has the recipes as printed."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Len

from qrestore.learning.engine import Schedule
from qrestore.learning.losses import Terms
from qrestore.learning.networks import Sizes


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Section `training.<model>` of a network that sees whole pictures ([cgan])."""

    network: Sizes
    critic: Sizes
    losses: Terms
    schedule: Schedule
    pool_size: Annotated[int, Gt(0)]


@dataclass(frozen=True, kw_only=True)
class DotsRecipe(Recipe):
    """Section `training.dots`, of both routes and both sizes of dots ([dots])."""

    pools: dict[str, Annotated[tuple[str, ...], Len(1)]]
    """Subsets of `dots` by size of dots ("1px", "2px"), which take turns in the pool; validated on the first."""
    validation_size: Annotated[int, Gt(0)]
    """Carriers on which the error is measured at every checkpoint."""
    crop_modules: Annotated[int, Gt(0)] | None
    """Side of the crops; None shows the network whole captures as they are, not registered."""
