"""MLflow: which models there are, how they scored, which one is approved. Reads finished files only."""

import logging
import os

import mlflow  # noqa: F401  (it sets the level that is changed here)

# What MLflow tells of its migrations and downloads is nothing that a user of the flow asked for.
logging.getLogger("mlflow").setLevel(logging.WARNING)
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
