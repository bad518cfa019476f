"""What a run leaves on Prefect's page: its stages as a table, and in words what changed and what was judged."""

from collections.abc import Sequence
from pathlib import Path

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from qrestore.pipeline import PipelineError, dvc
from qrestore.tracking.judge import Judged

Step = tuple[str, str, float]
"""Name of a step, what became of it, seconds."""

_MOST_LINES = 60


def leave(
    flow: str, root: Path, base: str, steps: Sequence[Step], judged: Sequence[Judged], failed: str | None
) -> None:
    """Write the table `<flow>-stages` and the page `<flow>`, of which Prefect keeps the history.

    Parameters
    ----------
    root, base : repository that the flow worked in, and the commit that it started from.
    failed : why the run ended early, if it did.
    """
    rows = [{"stage": name, "outcome": outcome, "seconds": round(seconds, 1)} for name, outcome, seconds in steps]
    create_table_artifact(rows, key=f"{flow}-stages", description=f"Steps of the last {flow}, in order")
    page = markdown(flow, root, base, steps, judged, failed)
    create_markdown_artifact(page, key=flow, description=f"What the last {flow} changed")


def markdown(
    flow: str, root: Path, base: str, steps: Sequence[Step], judged: Sequence[Judged], failed: str | None
) -> str:
    """Say in words what became of a run: figures that changed since the last commit, verdicts, where to look."""
    ran = [name for name, outcome, _ in steps if outcome != "Unchanged"]
    lines = [f"# {flow.capitalize()}", ""]
    if failed:
        lines += [f"**Failed**: {failed}", ""]
    lines += [f"{len(steps)} steps, {sum(seconds for *_, seconds in steps):.0f} s; done anew: {', '.join(ran)}", ""]
    lines += ["## Figures against the last commit", "", *_changed_figures(root, base), ""]
    if judged:
        lines += ["## Verdicts", ""]
        lines += [f"- {verdict_line(each)}" for each in judged]
        lines += [""]
    return "\n".join([*lines, f"Look at `{root}/reports/report.html`, `qrestore review`, `make ui`.", ""])


def _changed_figures(root: Path, base: str) -> list[str]:
    try:
        table = dvc(root, "metrics", "diff", base, "--md").strip().splitlines()
    except PipelineError as error:  # a checkout without a commit, say
        return [str(error)]
    if len(table) > _MOST_LINES:
        return [*table[:_MOST_LINES], "", f"and {len(table) - _MOST_LINES} more: `dvc metrics diff`"]
    return table or ["none changed"]


def verdict_line(judged: Judged) -> str:
    """What was judged of a model, as an item of a list."""
    told = "is the champion" if judged.is_champion else "\n    ".join(filter(None, judged.verdict.text.splitlines()))
    return f"`{judged.model}` version {judged.version}: {told}"
