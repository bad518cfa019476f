"""Tables of `reading.json`: what was asked for beside what was measured, readers, steps, what was not read."""

from typing import Any

OURS, TOGETHER = "qrestore read", "all peers together"

QUOTED = {
    "WeChat's reader with its models": (76.2, 64.7),
    "ZXing-Java 3.4.0, the reader of [fast-deblur]": (51.0, 38.2),
    "these seven together": (86.2, 67.6),
}
"""Right reads in %, of all photographs and of the blurred ones, from the README beside them: they need model files
and a JDK. Not measured by this benchmark."""

_SETS = {
    "photographs": ("right texts, {} photographs", "92 %", "96 %"),
    "blurred": ("the {} blurred ones of them", "80 %", "90 %"),
    "6": ("{} rectified crops blurred further, 6 px", "95 %", "99 %"),
    "8": ("the same {}, 8 px", "85 %", "95 %"),
}

_BRIEFLY = {"photographs": "photographs", "6": "crops, 6 px", "8": "crops, 8 px"}


def aims(result: dict[str, Any], counted: dict[str, Any] | None) -> str:
    """Peers, ours, and what was asked for; `counted` is `false_reads.json`, None where nothing was counted yet."""
    lines = [
        "| on | best single peer | all peers together | **qrestore read** (95 %) | better than the best peer (95 %) "
        "| asked for | aim |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, (label, reach, aim) in _SETS.items():
        cell = _set(result, key)
        readers, strongest = cell["readers"], cell["strongest"]
        cells = [
            label.format(cell["pictures"]),
            f"{_percent(readers[strongest])} ({strongest})",
            _percent(readers[TOGETHER]),
            f"**{_percent(readers[OURS])}** {_interval(readers[OURS])}",
            f"{100 * cell['better_than_strongest']['share']:+.1f} {_interval(cell['better_than_strongest'])}",
            reach,
            aim,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    added = result["added_ms"]
    lines.append(
        f"| ms added to the reader that reads a picture as it is, median (95 % of {added['pictures']} pictures) "
        f"| - | - | {added['median']:.2f} ({added['p95']:.1f}) | - | 0.5 | 0.1 |"
    )
    timed = {label: _set(result, key)["restored"] for key, label in _BRIEFLY.items()}
    for label, cell in {"of these sets": result["restored"], **timed}.items():
        times = f"{cell['median']:.0f} / {cell['p95']:.0f}" if "median" in cell else "-"
        lines.append(
            f"| ms of a restored read, one thread, median / p95: {cell['pictures']} {label} "
            f"| - | - | {times} | - | 30 / 300 | 10 / 100 |"
        )
    wrong = sum(_set(result, key)["readers"][OURS]["wrong_texts"] for key in _BRIEFLY)
    of = sum(_set(result, key)["pictures"] for key in _BRIEFLY)
    lines.append(f"| wrong texts, of {of} pictures above | {_wrong(result)} | - | {wrong} | - | 0 | 0 |")
    for group, figures in (counted or {"groups": {}})["groups"].items():
        bound = f"below {100 * figures['at_most']:.2g} %, 95 %"
        label = f"false reads, {figures['pictures']} generated pictures: {group}"
        lines.append(f"| {label} | - | - | {figures['false_reads']} ({bound}) | - | 0 | 0 |")
    return "\n".join(lines)


def readers(result: dict[str, Any]) -> str:
    """Every reader on every set, and those that are quoted."""
    labels = {key: label.format(_set(result, key)["pictures"]) for key, (label, _, _) in _SETS.items()}
    lines = [
        f"| reader | {' | '.join(labels.values())} | wrong texts | ms a photograph: median, mean, p95 |",
        "|---" * (len(labels) + 3) + "|",
    ]
    for name, of_photographs in result["photographs"]["readers"].items():
        cells = [
            f"{_percent(of_set)} {_interval(of_set)}"
            for of_set in (_set(result, key)["readers"][name] for key in _SETS)
        ]
        shown = f"**{name}**" if name == OURS else _versioned(name, result)
        ms = of_photographs["ms"]
        times = ", ".join(f"{ms[end]:.1f}" for end in ("median", "mean", "p95")) if ms else "-"
        wrong = sum(_set(result, key)["readers"][name]["wrong_texts"] for key in _BRIEFLY)
        lines.append(f"| {shown} | {' | '.join(cells)} | {wrong} | {times} |")
    for name, (share, of_blurred) in QUOTED.items():
        lines.append(f"| {name} (quoted) | {share} % | {of_blurred} % | - | - | - | - |")
    return "\n".join(lines)


def steps(result: dict[str, Any]) -> str:
    """How many pictures each step of the cascade read."""
    counts = {key: _set(result, key)["steps"] for key in _BRIEFLY}
    names = sorted({name for of_set in counts.values() for name in of_set}, key=lambda name: _order(name, counts))
    lines = [
        "| step | " + " | ".join(_SETS[key][0].format(_set(result, key)["pictures"]) for key in _BRIEFLY) + " |",
        "|---" * (len(_BRIEFLY) + 1) + "|",
    ]
    lines += [f"| {name} | {' | '.join(str(counts[key].get(name, 0)) for key in _BRIEFLY)} |" for name in names]
    return "\n".join(lines)


def unread(result: dict[str, Any]) -> str:
    """What ours did not read right, by cause."""
    lines = ["| not read | cause | pictures |", "|---|---|---|"]
    for key, causes in result["unread"].items():
        lines += [f"| {_BRIEFLY[key]} | {cause} | {', '.join(files)} |" for cause, files in causes.items()]
    return "\n".join(lines)


def _order(name: str, counts: dict[str, dict[str, int]]) -> tuple[bool, int, str]:
    return name == "unread", -sum(of_set.get(name, 0) for of_set in counts.values()), name


def _set(result: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = result["further"][key] if key.isdecimal() else result[key]
    return found


def _percent(cell: dict[str, Any]) -> str:
    return f"{100 * cell['share']:.1f} %"


def _interval(cell: dict[str, Any]) -> str:
    return f"({100 * cell['low']:.1f} to {100 * cell['high']:.1f})"


def _wrong(result: dict[str, Any]) -> str:
    """Most and fewest wrong texts of single peers."""
    names = result["peers"]
    wrong = [sum(_set(result, key)["readers"][name]["wrong_texts"] for key in _BRIEFLY) for name in names]
    return f"{min(wrong)} to {max(wrong)}"


def _versioned(name: str, result: dict[str, Any]) -> str:
    return f"{name} {result['peers'][name]['version']}" if name in result["peers"] else name
