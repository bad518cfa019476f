"""Codes that nothing else reads: the symbol under its likeliest blur, then as the QR deblurrer draws it.

| step | what | where |
|---|---|---|
| framed | upright, margin and pixels a module as the network was trained on | `framed` |
| likeliest blur | motion in any direction under a Gaussian; the linear estimate that the network sees | `likely` |
| restored | what the network makes of that | `learning.model` |
| read | either drawing, by the readers and module by module | `framed` |
| proven | the text must explain the modules that the picture shows, and the picture itself | `proof`, `likely` |

A network draws symbols because it was taught to, whatever it is shown: that a text can be read in a drawing counts for
nothing. torch takes a second to load, so that is done for what the estimate already takes for a symbol.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from qrestore.arrays import Grey8
from qrestore.reading.attempt import Attempt
from qrestore.reading.crop import Real, module_darkness
from qrestore.reading.framed import VERSIONS, codes_in, framed, modules_in, whole
from qrestore.reading.hints import Hints
from qrestore.reading.likely import PRIOR, Look, explained, levelled, look_at, prepare
from qrestore.reading.located import proven_at
from qrestore.reading.model import ModelError, NetworkModel
from qrestore.reading.proof import prove
from qrestore.reading.rectify import Placed

_LOOKS = 2
_LEAST_FIT = 0.5
"""Moved symbols fit better, pages, textures and noise worse (`python -m benchmarks.network_step limits`, seed 1)."""
_LEAST_EXPLAINED = 0.85
"""Texts that differ from the right one in a character explain less, nine of ten right ones more (same)."""

Draw = Callable[[Real, int], Real]
"""(framed image, symbol version) -> what the network makes of it, as large."""


def networked(
    picture: Grey8, tried: list[Placed], budget_s: float, hints: Hints, model: NetworkModel | None
) -> Attempt | None:
    """Draw and read the likeliest lattices or, where there are none, an upright symbol that is most of the picture.

    Parameters
    ----------
    picture : (height, width) uint8.
    tried : lattices in it; those of other versions than the network was trained on are left out.
    model : None reads the linear estimate alone.
    budget_s : CPU seconds after which nothing further is drawn; what is set up once a process does not count.

    Raises
    ------
    ModelError
        Weights that are missing, or none of a deblurrer: where something looks like a symbol.
    """
    prepare()
    end = time.thread_time() + budget_s
    looks = _looks(picture, tried, hints, end)
    for look in looks:
        step = f"likeliest blur, {look.found.length_px:.0f} px {look.found.angle_deg:.0f} deg"
        if attempt := proven(look, look.estimate, step, hints):
            return attempt
    if model is None or not looks or time.thread_time() > end:
        return None
    begin = time.thread_time()
    draw = loaded(model)
    end += time.thread_time() - begin
    for look in looks:
        if time.thread_time() > end:
            break
        drawn = draw(look.shown.image, look.shown.placed.symbol_version)
        if attempt := proven(look, drawn, f"restored by {model.name}", hints):
            return replace(attempt, model=model.told())
    return None


def _looks(picture: Grey8, tried: list[Placed], hints: Hints, end: float) -> list[Look]:
    """Look at the likeliest lattices and at the whole picture; what fits, the best first."""
    known = sorted((one for one in tried if one.symbol_version in VERSIONS), key=lambda one: -one.agreement)
    looks: list[Look] = []
    for placed in (*known[:_LOOKS], *whole(picture, hints)):
        if looks and time.thread_time() > end:
            break
        with suppress(ValueError):  # placed outside of the picture
            looks.append(look_at(framed(picture, placed)))
    fitting = sorted((look for look in looks if look.fit > _LEAST_FIT), key=lambda look: -look.fit)
    return [levelled(look) for look in fitting[:_LOOKS]]


def proven(look: Look, drawn: Real, name: str, hints: Hints) -> Attempt | None:
    """Read a drawing of a symbol; a text counts when it explains what the picture shows."""
    placed = look.shown.placed
    darkness = module_darkness(look.shown.crop, placed.side)
    for code in codes_in(drawn, placed.side):
        proof = prove(code.text, placed.symbol_version, darkness, hints, (modules_in(drawn, placed.side),))
        if proof and proof.holds and explained(look, proof.right) >= _LEAST_EXPLAINED:
            return Attempt(f"rectified, {name}", (proven_at(code, placed, proof),), look.shown.image, drawn, proof)
    return None


def loaded(model: NetworkModel) -> Draw:
    """Load a network, once a process; raises ModelError where its weights are missing, or none of a deblurrer."""
    try:
        return _loaded(model.path, model.digest)
    except ValueError as error:
        raise ModelError(str(error)) from None


@cache
def _loaded(path: Path, digest: str) -> Draw:
    """`digest` tells one state of the file from the next."""
    del digest
    # The first picture that needs torch loads it.
    import torch

    from qrestore.learning.likely_blur import deblurrer_input
    from qrestore.learning.model import load_deblurrer, read_prior, run
    from qrestore.learning.networks import channels_last
    from qrestore.learning.weights import load_network

    prior = read_prior(path)
    if prior is None:
        return load_deblurrer(path)
    module = channels_last(load_network(path))
    prior = replace(prior, motion_angle_deg=PRIOR.motion_angle_deg)

    def draw(image: Real, symbol_version: int) -> Real:
        seen = deblurrer_input(image, replace(prior, symbol_versions=(symbol_version,)))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a picture so small gains nothing by more, and waits for them on a busy machine
        try:
            return np.asarray(run(module, seen[None])[0, :, :, 0])
        finally:
            torch.set_num_threads(threads)

    return draw
