"""One module per DVC stage: load a section of params.yaml, call the core, write files last.

Only these modules know the paths of the pipeline.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from qrestore.config import ConfigError, check_sections

PARAMS = Path("params.yaml")
SYNTHETIC = Path("data/synthetic")
POOLS = Path("data/pools")
SCANNED = Path("data/scanned/index.parquet")
TRAINING = Path("data/scanned/training.parquet")
INBOX = Path("data/scanned/inbox")
REPORTS = Path("data/reports")
SYNTHESIS = REPORTS / "synthesis.json"
MODELS = Path("models")
METRICS = Path("models/metrics")
THRESHOLDS = Path("models/thresholds/tenengrad.json")


def run(main: Callable[[], None]) -> None:
    """Run a stage as a program: a known error is one line on standard error and exit code 1 (2: configuration)."""
    # `pipeline` learns from this file that the stage itself ran, and was not restored from the cache.
    if witness := os.environ.get("QRESTORE_WITNESS"):
        Path(witness).touch()
    try:
        check_sections(PARAMS)
        main()
    except ConfigError as error:
        sys.exit(_say(error, 2))
    except (ValueError, ArithmeticError, OSError, RuntimeError) as error:
        sys.exit(_say(error, 1))


def _say(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code
