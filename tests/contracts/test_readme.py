"""Numbers in the README are the measured ones."""

from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import (
    boundary,
    crops,
    deblurring,
    dots,
    false_reads,
    fuzz,
    generated,
    inference,
    network_step,
    overhead,
    profiles,
    reading,
    reading_tables,
    readme,
    routes,
    scaling,
    sheets,
    speed,
    steps,
    throughput,
    training,
)  # fmt: skip
from qrestore.evaluation.restorers import SLOW
from qrestore.files import read_json

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()


def test_table_of_synthetic_figures() -> None:
    assert readme.figures(read_json(ROOT / "models/metrics/summary.json")) in TEXT


def test_table_of_deblurring() -> None:
    timing = read_json(ROOT / "models/metrics/timing.json")["seconds"]
    assert readme.deblurring(read_json(ROOT / "models/metrics/summary.json"), timing) in TEXT


def test_tables_of_the_papers_comparison() -> None:
    page = (ROOT / "docs/deblurring.md").read_text()
    summary, control = (
        read_json(ROOT / "models/metrics/summary.json"),
        read_json(ROOT / "models/thresholds/scales.json"),
    )
    timing = read_json(ROOT / "models/metrics/timing.json")["seconds"]
    for table in (
        deblurring.recognition(summary, (*deblurring.FAST, "wiener_true"), deblurring.SUBSETS),
        deblurring.recognition(summary, SLOW, deblurring.SUBSETS),
        deblurring.times(timing),
        deblurring.thresholds(control),
        deblurring.skipped(control, timing),
        speed.rates_table(read_json(ROOT / "benchmarks/speed.json")),
    ):
        assert table in page


def test_table_of_overhead() -> None:
    assert overhead.table(read_json(overhead.RESULT)) in (ROOT / "docs/reliability.md").read_text()


def test_table_of_damaged_files() -> None:
    assert fuzz.table(read_json(fuzz.RESULT)) in (ROOT / "docs/reading.md").read_text()


def test_table_of_batches() -> None:
    assert throughput.table(read_json(throughput.RESULT)) in (ROOT / "docs/reading.md").read_text()


def test_table_of_boundaries() -> None:
    result = read_json(ROOT / "benchmarks/boundary.json")
    assert boundary.table(result) in (ROOT / "docs/deblurring.md").read_text()


def test_readers_that_are_not_installed_have_dashes() -> None:
    result = {"readers": {boundary.HYBRID: None}}
    row = boundary.table(result).splitlines()[-1]
    assert row.split(" | ")[1:] == ["-"] * len(boundary.PUBLISHED_PX) + ["- |"]


def test_table_of_dots() -> None:
    assert readme.dots(read_json(ROOT / "models/metrics/summary.json")) in TEXT


def test_table_of_the_spread_over_dots() -> None:
    assert readme.dots_spread(read_json(ROOT / "models/metrics/summary.json")) in TEXT


@pytest.mark.parametrize("module", [training, inference, steps, crops, network_step, routes])
def test_tables_of_the_networks(module: ModuleType) -> None:
    assert module.table(read_json(module.RESULT)) in (ROOT / "docs/networks.md").read_text()


def test_tables_of_printing() -> None:
    page, result = (ROOT / "docs/printing.md").read_text(), read_json(ROOT / "benchmarks/sheets.json")
    assert sheets.table(result) in page
    assert sheets.production_table(result) in page
    assert profiles.table(read_json(ROOT / "benchmarks/profiles.json")) in page


def test_tables_of_scaling() -> None:
    page, result = (ROOT / "docs/scaling.md").read_text(), read_json(scaling.RESULT)
    for table in (scaling.throughput_table, scaling.memory_table, scaling.costs_table, scaling.plan_table):
        assert table(result) in page
    assert result["plan"] == scaling.plan(result)


def test_tables_of_difficulty_and_rates() -> None:
    page, result = (ROOT / "data/README.md").read_text(), read_json(ROOT / "benchmarks/dots.json")
    assert dots.difficulty_table(result) in page
    assert dots.rates_table(result) in page


def test_table_of_real_photographs() -> None:
    result = read_json(reading.RESULT)
    page = (ROOT / "docs/reading.md").read_text()
    assert reading_tables.aims(result, read_json(false_reads.RESULT)) in TEXT
    assert reading_tables.readers(result) in page
    assert reading_tables.steps(result) in page
    assert reading_tables.unread(result) in page


def test_table_of_false_reads() -> None:
    result = read_json(false_reads.RESULT)
    assert false_reads.table(result) in (ROOT / "docs/reading.md").read_text()
    # Whoever changes the kinds counts again.
    assert {group: list(kinds) for group, kinds in result["kinds"].items()} == {
        group: list(kinds) for group, kinds in false_reads.GROUPS.items()
    }


def test_table_of_generated_photographs() -> None:
    result = read_json(generated.RESULT)
    page = (ROOT / "docs/reading.md").read_text()
    for part, table in generated.TABLES.items():
        assert table(result[part]) in page


def test_targets_named_in_the_readme_exist() -> None:
    import re

    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", TEXT)) <= targets


def test_every_fault_is_repeated_by_a_test() -> None:
    import re

    page = (ROOT / "docs/reliability.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and line.endswith("` |")]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[-1])}
    tests = "\n".join(
        line
        for path in (*(ROOT / "tests/e2e").glob("test_*.py"), ROOT / "tests/test_cluster.py")  # as `make faults`
        for line in (path.stem, *re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
    )
    assert len(rows) >= 12
    assert [name for name in sorted(names) if name not in tests] == []
