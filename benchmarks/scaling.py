"""What more workers bring, what an item costs, and from that what a million and a billion labels cost.

    python -m benchmarks.scaling [--rounds 9] [--part throughput|memory]

Writes `scaling.json` beside this file and the tables of docs/scaling.md; asserts nothing about time. Rounds of one
worker, two workers and a Dask cluster of two take turns, and the best of each counts: others use the machine, too.
"""

import argparse
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from math import ceil
from pathlib import Path
from typing import Any

import psutil
from distributed.deploy.subprocess import SubprocessCluster

from benchmarks.flat import peaks, writer
from benchmarks.readme import ROOT, put
from qrestore.cluster import cluster
from qrestore.config import load_section
from qrestore.datasets.defocus import Cell, Defocus, drawn_row
from qrestore.datasets.dots import Carriers, dots_row
from qrestore.datasets.index import read_index, write_index
from qrestore.datasets.motion import Motion, motion_row
from qrestore.datasets.row import DataName
from qrestore.evaluation.benchmark import measure, tasks
from qrestore.evaluation.restorers import RESTORERS
from qrestore.executor import WINDOW, in_order, local_processes
from qrestore.files import read_json, write_json
from qrestore.timing import processor

RESULT = Path(__file__).parent / "scaling.json"
PAGE = ROOT / "docs/scaling.md"
PARAMS = ROOT / "params.yaml"
DAY_H = 24
CORES_A_MACHINE = 16
LABELS = (10**6, 10**9)
GROWING = (500, 2_000, 8_000)
NOTHING_TASKS = 400
IDLE_S = 5.0
WHO = ("1 process", "2 processes", "Dask, 2 workers")
DRAWN, JUDGED = "drawing, dots", "evaluation, dots"
"""What a label is: a carrier drawn, and read by every reader of its set."""


@dataclass(frozen=True)
class Kind:
    """Work that a stage does item by item: how, on what, how many a task."""

    function: Callable[[Any], Any]
    items: Sequence[Any]
    batch: int
    written: bool


def kinds(seed: int) -> dict[str, Kind]:
    """Items enough for some seconds of one worker."""
    motion, carriers = (
        load_section(PARAMS, "synthesis.motion", Motion),
        load_section(PARAMS, "synthesis.dots", Carriers),
    )
    defocus = load_section(PARAMS, "synthesis.defocus", Defocus)
    draw_defocus = partial(drawn_row, defocus, seed, "test", Cell(0, "v3", 3))
    return {
        "drawing, defocus": Kind(draw_defocus, range(48), 1, True),
        "drawing, motion": Kind(partial(motion_row, motion, seed, "test", seen=False), range(400), 8, True),
        DRAWN: Kind(partial(dots_row, carriers, seed, "test", "hard-2px"), range(48), 4, True),
        "evaluation, motion": Kind(measure, _asked("motion", 16), 1, False),
        JUDGED: Kind(measure, _asked("dots", 12), 1, False),
    }


def _asked(data: DataName, count: int) -> list[Any]:
    """Tasks spread evenly over a test set."""
    rows = list(read_index(ROOT / f"data/synthetic/{data}/test.parquet"))
    return list(tasks(rows[:: len(rows) // count][:count], data, ROOT / "models"))


def timed(function: Callable[[Any], Any], item: Any) -> tuple[Any, float]:
    """Outcome, and the CPU seconds it took its worker."""
    start = time.process_time()
    return function(item), time.process_time() - start


@dataclass(frozen=True)
class Team:
    """Who works: an executor, and where it is a cluster its scheduler, with the CPU seconds a second it takes idle."""

    executor: Executor
    scheduler: psutil.Process | None = None
    idle: float = 0.0

    def scheduled(self) -> float:
        """CPU seconds that the scheduler has taken."""
        if self.scheduler is None:
            return 0.0
        times = self.scheduler.cpu_times()
        return float(times.user + times.system)


def one_round(kind: Kind, team: Team, folder: Path) -> dict[str, float]:
    """Do all items as a stage would; seconds an item: on the clock, of workers, of this process, of the scheduler."""
    worked = []

    def outcomes() -> Iterator[Any]:
        for outcome, seconds in in_order(partial(timed, kind.function), kind.items, team.executor, kind.batch):
            worked.append(seconds)
            yield outcome

    clock, mine, its, all_of_it = time.perf_counter(), time.process_time(), team.scheduled(), busy()
    if kind.written:
        write_index(folder / "drawn.parquet", outcomes())
    else:
        list(outcomes())
    count, taken = len(kind.items), time.perf_counter() - clock
    client, scheduler = time.process_time() - mine, team.scheduled() - its
    return {
        "seconds": taken / count,
        "worker_cpu": sum(worked) / count,
        "client_cpu": client / count,
        "scheduler_cpu": max(0.0, scheduler - team.idle * taken) / count,
        "others_cores": max(0.0, (busy() - all_of_it - sum(worked) - client - scheduler) / taken),
    }


def busy() -> float:
    """CPU seconds that this machine has worked, for whomever."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def best_of(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """The quickest round, with the least CPU times of all: what others do makes both longer."""
    quickest = min(rounds, key=lambda one: one["seconds"])
    return quickest | {key: min(one[key] for one in rounds) for key in quickest if key.endswith("_cpu")}


def throughput(rounds: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Best of the rounds by kind and by who works; and what a task that does nothing costs on the cluster."""
    seed = load_section(PARAMS, "synthesis.seed", int)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        one, two = (stack.enter_context(local_processes(count)) for count in (1, 2))
        address, scheduler = stack.enter_context(local_cluster(2))
        dask = Team(stack.enter_context(cluster(address)), scheduler)
        before = dask.scheduled()
        time.sleep(IDLE_S)
        dask = replace(dask, idle=(dask.scheduled() - before) / IDLE_S)
        teams = dict(zip(WHO, (Team(one), Team(two), dask), strict=True))
        for title, kind in kinds(seed).items():
            for team in teams.values():  # libraries, weights and transforms are loaded before
                list(in_order(kind.function, islice(cycle(kind.items), 8), team.executor))
            turns = [{each: one_round(kind, team, Path(name)) for each, team in teams.items()} for _ in range(rounds)]
            best = {each: best_of([turn[each] for turn in turns]) for each in WHO}
            bytes_each = len(pickle.dumps(kind.items[0])) + len(pickle.dumps(kind.function(kind.items[0])))
            found[title] = {"items": len(kind.items), "batch": kind.batch, "sent_bytes": bytes_each, "best": best}
            if kind.written:
                found[title]["stored_bytes"] = (Path(name) / "drawn.parquet").stat().st_size / len(kind.items)
            print(title, {each: f"{1 / best[each]['seconds']:.3g} a second" for each in WHO}, flush=True)
        nothing = Kind(abs, range(NOTHING_TASKS), 1, False)
        costs = [one_round(nothing, dask, Path(name)) for _ in range(rounds)]
    return found, best_of(costs)


@contextmanager
def local_cluster(workers: int) -> Iterator[tuple[str, psutil.Process]]:
    """Yield address and process of the scheduler of a cluster, every part of it a process of its own."""
    before = {child.pid for child in psutil.Process().children()}
    with SubprocessCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as there:
        there.wait_for_workers(workers)
        started = [child for child in psutil.Process().children() if child.pid not in before]
        yield there.scheduler_address, next(each for each in started if "scheduler" in " ".join(each.cmdline()).lower())


def plan(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What so many labels cost, from what one did: CPU hours, machines for a day, bytes, what one client takes."""
    dask = {kind: result["throughput"][kind]["best"][WHO[2]] for kind in (DRAWN, JUDGED)}
    rows = []
    for labels in LABELS:
        row: dict[str, Any] = {"labels": labels}
        for kind, costs in dask.items():
            hours = {key: labels * costs[key] / 3600 for key in ("worker_cpu", "client_cpu", "scheduler_cpu")}
            workers = hours["worker_cpu"] / DAY_H
            clients = max(hours["client_cpu"] / DAY_H, hours["scheduler_cpu"] / DAY_H, workers / WINDOW)
            row[kind] = {
                **hours,
                "machines_for_a_day": ceil(workers / CORES_A_MACHINE),
                "clients_for_a_day": ceil(clients),
            }
        row["stored_bytes"] = labels * result["throughput"][DRAWN]["stored_bytes"]
        rows.append(row)
    return rows


def workers_kept_busy(costs: dict[str, float]) -> dict[str, float]:
    """How many workers the client and the scheduler keep busy, before one of them is the bottleneck."""
    return {each: costs["worker_cpu"] / costs[f"{each}_cpu"] for each in ("client", "scheduler")}


def on_free_cores(best: dict[str, dict[str, float]]) -> float:
    """How many times as fast two processes are by CPU times alone, the client on the same two cores."""
    alone, two = best[WHO[0]], best[WHO[1]]
    return alone["worker_cpu"] / max(two["client_cpu"], (two["worker_cpu"] + two["client_cpu"]) / 2)


def throughput_table(result: dict[str, Any]) -> str:
    """Items a second by who works, what two bring, CPU of an item."""
    lines = [
        f"| {result['date']}, {result['machine']} | 1 process | 2 processes | times | Dask, 2 workers | times "
        "| cores that others used in these rounds | CPU ms an item | times, by CPU alone |",
        "|---" * 9 + "|",
    ]
    for kind, found in result["throughput"].items():
        each = [found["best"][who] for who in WHO]
        rates = [f"{1 / one['seconds']:.3g}" for one in each]
        gains = [f"{each[0]['seconds'] / one['seconds']:.2f}" for one in each]
        others, cpu = (
            ", ".join(f"{scale * one[key]:.3g}" for one in each)
            for key, scale in (("others_cores", 1), ("worker_cpu", 1000))
        )
        cells = [f"{kind}, items a second", *rates[:2], gains[1], rates[2], gains[2], others, cpu]
        lines.append(f"| {' | '.join(cells)} | {on_free_cores(found['best']):.2f} |")
    return "\n".join(lines)


def memory_table(result: dict[str, Any]) -> str:
    """Peak memory by size."""
    lines = ["| pictures | file, MB | drawing: peak, MB | evaluating: peak, MB |", "|---|---|---|---|"]
    for row in result["memory"]:
        lines.append(f"| {row['images']:,} | {row['file_mb']:.0f} | {row['draw_mb']:.0f} | {row['evaluate_mb']:.0f} |")
    lines += ["", f"Evaluation keeps its results: {growth(result):.1f} kB a picture under one restorer."]
    return "\n".join(lines)


def growth(result: dict[str, Any]) -> float:
    """Memory that evaluation keeps of a picture, kB."""
    first, last = result["memory"][0], result["memory"][-1]
    return float(1000 * (last["evaluate_mb"] - first["evaluate_mb"]) / (last["images"] - first["images"]))


def costs_table(result: dict[str, Any]) -> str:
    """What an item costs whom on a cluster, and how many workers that keeps busy."""
    lines = [
        "| on the cluster, an item | worker, CPU ms | client, CPU ms | scheduler, CPU ms | kB sent, both ways "
        "| workers kept busy by the client | by the scheduler |",
        "|---" * 7 + "|",
    ]
    for kind, found in result["throughput"].items():
        costs = found["best"][WHO[2]]
        busy = workers_kept_busy(costs)
        milliseconds = " | ".join(f"{1000 * costs[f'{who}_cpu']:.2f}" for who in ("worker", "client", "scheduler"))
        lines.append(
            f"| {kind}, {found['batch']} a task | {milliseconds} | {found['sent_bytes'] / 1000:.0f} "
            f"| {busy['client']:.0f} | {busy['scheduler']:.0f} |"
        )
    nothing, rates = result["nothing"], result["writer"]
    written = "; ".join(
        f"{name} {each['rows_a_second']:,.0f} rows, {each['mb_a_second']:.0f} MB" for name, each in rates.items()
    )
    lines += [
        "",
        f"A task that does nothing costs the scheduler {1000 * nothing['scheduler_cpu']:.2f} ms and the client "
        f"{1000 * nothing['client_cpu']:.2f} ms. One writer, a second of its CPU: {written}.",
    ]
    return "\n".join(lines)


def plan_table(result: dict[str, Any]) -> str:
    """What a million and a billion labels cost."""
    lines = [
        f"| labels | work | CPU hours of workers | machines of {CORES_A_MACHINE} such cores, to be done in a day "
        "| CPU hours of client, scheduler | clients, each with its scheduler, to be done in a day | stored |",
        "|---" * 7 + "|",
    ]
    for row in result["plan"]:
        for kind in (DRAWN, JUDGED):
            cost = row[kind]
            stored = f"{row['stored_bytes'] / 1e9:,.0f} GB" if kind == DRAWN else "-"
            lines.append(
                f"| {row['labels']:,} | {kind} | {cost['worker_cpu']:,.0f} | {cost['machines_for_a_day']:,} "
                f"| {cost['client_cpu']:,.1f}, {cost['scheduler_cpu']:,.1f} | {cost['clients_for_a_day']:,} "
                f"| {stored} |"
            )
    keeps = LABELS[0] * len(RESTORERS["dots"]) * growth(result) / 1e6
    lines += ["", f"Evaluation of {LABELS[0]:,} labels under {len(RESTORERS['dots'])} readers keeps {keeps:.1f} GB."]
    return "\n".join(lines)


def write_tables(result: dict[str, Any]) -> None:
    """Write the tables of docs/scaling.md."""
    for name, table in (
        ("throughput", throughput_table),
        ("memory", memory_table),
        ("costs", costs_table),
        ("plan", plan_table),
    ):
        put(name, table(result), PAGE)


def main() -> int:
    """Measure, write the figures and their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--part", choices=("throughput", "memory"), help="measure this again, keep the rest")
    arguments = parser.parse_args()
    result: dict[str, Any] = read_json(RESULT) if arguments.part else {}
    if arguments.part != "memory":
        result |= {
            "command": f"python -m benchmarks.scaling --rounds {arguments.rounds}",
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{processor()}, {os.cpu_count()} cores, best of {arguments.rounds} rounds in turns",
        }
        result["throughput"], result["nothing"] = throughput(arguments.rounds)
        result["writer"] = writer(load_section(PARAMS, "synthesis.seed", int))
    if arguments.part != "throughput":
        result["memory"] = peaks(GROWING)
    result["plan"] = plan(result)
    write_json(RESULT, result)
    write_tables(result)
    return 0


if __name__ == "__main__":
    from benchmarks import scaling  # by its name, so that a worker imports what it runs and is not sent it

    sys.exit(scaling.main())
