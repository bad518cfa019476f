"""Both recipes as printed; where a paper is silent or cannot be built as it stands, a line says what stands here.

They are here to be measured: `default`, what `params.yaml` says, is what is shipped.
"""

from qrestore.learning.engine import Schedule
from qrestore.learning.losses import Feature, Terms
from qrestore.learning.recipe import DotsRecipe, Recipe

DOTS = DotsRecipe(  # [dots] 2.1, 3.1
    network={"architecture": "dots-paper"},
    # The dense layers follow the mean of the map, as in the code that the loss comes from (NETWORKS 1.1): a
    # literal flatten holds 235.9 M parameters.
    critic={"architecture": "dots-critic", "width": 64, "channels": 3},
    losses=Terms(  # eq. 2: alpha 0.001, beta 1, gamma 0.006
        pixel="l2",
        pixel_weight=1,
        gradient=2e-8,
        footprint=0,
        adversarial=0.001,
        reading="linear",  # eq. 3, 6: the prose fits both readings; this is that code's
        # Layer not named: relu5_4 as in SRGAN. Random weights: the trained ones are nobody's to ship (NETWORKS 2).
        feature=Feature(kind="random", weight=0.006, distance="l2", network="vgg19", block=5, convolution=4),
    ),
    schedule=Schedule(
        seed=11,
        batch_size=8,
        pixel_steps=0,
        adversarial_steps=20_000,  # "20000 epoch": 20,000 epochs of 750 batches would take a year (NETWORKS 1.7)
        learning_rate=5e-5,
        adversarial_learning_rate=5e-5,
        ema_decay=0,
        gradient_clip=None,
        checkpoint_every=500,
        critic_steps=5,
        critic_optimiser="sgd",
    ),
    pools={"1px": ("one-1px",), "2px": ("hard-2px",)},  # simulated: the paper's set was never published
    pool_size=6000,
    validation_size=1000,
    crop_modules=None,
)

CGAN = Recipe(  # [cgan] 1.3, 2
    network={"architecture": "deblurrer-paper", "width": 128, "blocks": 9, "stride": 1},
    critic={"architecture": "deblurrer-paper-critic"},
    losses=Terms(  # unweighted sum of eq. 6 and 7; no pixel term
        pixel="l1",
        pixel_weight=0,
        gradient=0,
        footprint=0,
        adversarial=1,
        reading="score",
        # Random weights, as above; images in [0, 1] and normalised, though the paper's first loss, 7,000, tells
        # of 0 to 255 (NETWORKS 1.8).
        feature=Feature(kind="random", weight=1, distance="l1", network="vgg16", block=3, convolution=3),
    ),
    schedule=Schedule(
        seed=11,
        batch_size=10,
        pixel_steps=0,
        adversarial_steps=10_000,  # 10 epochs of 1,000 batches
        learning_rate=1e-4,
        adversarial_learning_rate=1e-4,
        adversarial_decay=0.99,  # an epoch
        ema_decay=0,
        gradient_clip=None,
        checkpoint_every=500,
    ),
    pool_size=10_000,
)
