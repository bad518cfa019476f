"""A symbol where a lattice says that it stands in a picture: cut out upright, and made straight once."""

from dataclasses import dataclass
from functools import cached_property

from qrestore.arrays import Grey8
from qrestore.reading.crop import CROP_MODULE_PX, Real, cropped
from qrestore.reading.flatten import flattened
from qrestore.reading.rectify import Placed


@dataclass(frozen=True, eq=False)
class Cutout:
    """A lattice and the (height, width) uint8 picture that it stands in."""

    picture: Grey8
    placed: Placed

    def crop(self, module_px: float = CROP_MODULE_PX) -> Real:
        """`crop.cropped`, which says what is raised."""
        return cropped(self.picture, self.placed, module_px)

    @cached_property
    def straight(self) -> Real:
        """The crop, `CROP_MODULE_PX` a module, made straight."""
        return flattened(self.crop(), self.placed.side)


def likeliest(found: list[Cutout], least_agreement: float = 0.0) -> list[Cutout]:
    """Those that agree with the picture, the best first."""
    good = [one for one in found if one.placed.agreement >= least_agreement]
    return sorted(good, key=lambda one: -one.placed.agreement)
