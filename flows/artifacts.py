"""What a run leaves on Prefect's page: its stages as a table, and in words what changed and what was judged."""

from collections.abc import Sequence

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows import ROOT
from flows.steps import Step
from qrestore.pipeline import PipelineError, dvc
from qrestore.tracking.judge import Judged

_MOST_LINES = 60


def leave(flow: str, steps: Sequence[Step], judged: Sequence[Judged] = (), failed: str | None = None) -> None:
    """Write the table `<flow>-stages` and the page `<flow>`, of which Prefect keeps the history.

    Parameters
    ----------
    failed : why the run ended early, if it did.
    """
    rows = [{"stage": name, "outcome": outcome, "seconds": round(seconds, 1)} for name, outcome, seconds in steps]
    create_table_artifact(rows, key=f"{flow}-stages", description=f"Steps of the last {flow}, in order")
    page = markdown(flow, steps, judged, failed)
    create_markdown_artifact(page, key=flow, description=f"What the last {flow} changed")


def markdown(flow: str, steps: Sequence[Step], judged: Sequence[Judged], failed: str | None) -> str:
    """Say in words what became of a run: figures that changed since the last commit, verdicts, where to look."""
    ran = [name for name, outcome, _ in steps if outcome != "Unchanged"]
    lines = [f"# {flow.capitalize()}", ""]
    if failed:
        lines += [f"**Failed**: {failed}", ""]
    lines += [f"{len(steps)} steps, {sum(seconds for *_, seconds in steps):.0f} s; done anew: {', '.join(ran)}", ""]
    lines += ["## Figures against the last commit", "", *_changed_figures(), ""]
    if judged:
        lines += ["## Verdicts", ""]
        for each in judged:
            told = "is the champion" if each.is_champion else each.verdict.text.replace("\n", "\n    ")
            lines += [f"- `{each.model}` version {each.version}: {told}"]
        lines += [""]
    return "\n".join([*lines, "Look at `reports/report.html`, `qrestore review`, `make ui`.", ""])


def _changed_figures() -> list[str]:
    try:
        table = dvc(ROOT, "metrics", "diff", "--md").strip().splitlines()
    except PipelineError as error:  # a checkout without a commit, say
        return [str(error)]
    if len(table) > _MOST_LINES:
        return [*table[:_MOST_LINES], "", f"and {len(table) - _MOST_LINES} more: `dvc metrics diff`"]
    return table or ["none changed"]
