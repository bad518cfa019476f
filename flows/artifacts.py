"""What a run leaves on Prefect's page: its steps as a table, and in words what changed and what was judged."""

import os

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.work import Work
from qrestore.pipeline import PipelineError, dvc, without_secrets
from qrestore.tracking.judge import Judged

_HEAD_LINES, _MOST_LINES = 2, 60


def leave(work: Work) -> None:
    """Write the table `<flow>-stages` and the page `<flow>`, of which Prefect keeps the history."""
    rows = [{"stage": step.name, "outcome": step.outcome, "seconds": round(step.seconds, 1)} for step in work.done]
    create_table_artifact(rows, key=f"{work.flow}-stages", description=f"Steps of the last {work.flow}, in order")
    create_markdown_artifact(markdown(work), key=work.flow, description=f"What the last {work.flow} changed")


def markdown(work: Work) -> str:
    """Say in words what became of a run: what was done, which figures changed, the verdicts, where to look."""
    lines = [f"# {work.flow.capitalize()}", ""]
    if work.failures:
        lines += [f"**Failed**: {work.failed}", ""]
    seconds = sum(step.seconds for step in work.done)
    lines += [f"{len(work.done)} steps, {seconds:.0f} s; {_anew(work)}", ""]
    lines += ["## Figures against the last run", "", *_changed_figures(work), ""]
    if work.judged:
        lines += ["## Verdicts", "", *(f"- {_verdict(each)}" for each in work.judged), ""]
    return "\n".join([*lines, f"Look at `{work.root}/reports/report.html`, `qrestore review`, `make ui`.", ""])


def told(work: Work) -> str:
    """What became of a run, for those who read no more than that."""
    return "\n".join([_anew(work), *map(_verdict, work.judged)])


def _anew(work: Work) -> str:
    return f"done anew: {', '.join(work.anew)}" if work.anew else "nothing new"


def _changed_figures(work: Work) -> list[str]:
    try:
        table = dvc(work.root, "metrics", "diff", work.since, "--md").strip().splitlines()
    except PipelineError as error:  # a checkout without a commit, say
        return [str(error)]
    if len(table) > _MOST_LINES:
        return [*table[:_MOST_LINES], "", f"and {len(table) - _MOST_LINES} more: `dvc metrics diff`"]
    return table if len(table) > _HEAD_LINES else ["none changed"]


def _verdict(judged: Judged) -> str:
    """What was judged of a model, as an item of a list."""
    said = "is the champion" if judged.is_champion else "\n    ".join(filter(None, judged.verdict.text.splitlines()))
    name, registry = f"`{judged.model}` version {judged.version}", os.environ.get("MLFLOW_TRACKING_URI", "")
    if registry.startswith("http"):
        name = f"[{name}]({without_secrets(registry).rstrip('/')}/#/models/{judged.model}/versions/{judged.version})"
    return f"{name}: {said}"
