"""The promotion rule: pure, from pictures measured under both models to a verdict. A person decides; this advises.

Challenger and champion are paired on the same pictures. A loss is one of the mean, or of the count, beyond
its margin; what may be noise is no gain: a gain is an interval that leaves zero out, or an exact test of
McNemar (1947) below 5 %.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Interval
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from qrestore.intervals import clustered_bootstrap

Share = Annotated[float, Interval(ge=0, le=1)]

_DRAWS = 1000
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Limits:
    """Section `promotion.<model>`: what a challenger may lose, and what it must keep."""

    bit_error_rate_margin: Share
    """By which its mean may lie above the champion's."""
    recognition_rate_margin: Share
    """By which it may lie below the champion's."""
    false_reads_margin: Annotated[int, Ge(0)]
    """Pictures with a wrong text, more than the champion's."""
    restoration_time_ratio: Annotated[float, Gt(1)]
    """p95 over the champion's; a gain is its inverse."""
    version_floor: Share
    """Least recognition rate of every symbol version."""
    version_margin: Share
    """By which a single symbol version may lie below the champion's."""


@dataclass(frozen=True)
class Promotion:
    """Section `promotion`."""

    auto: bool
    """Whether the flow promotes by itself what the rule advises."""
    models: dict[str, Limits]


@dataclass(frozen=True)
class Reason:
    """One rule: whether it holds, in words, and its numbers."""

    rule: str
    holds: bool
    text: str
    numbers: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """Advice and every reason. `against` : version of the champion, None where there was none."""

    promote: bool
    against: str | None
    reasons: tuple[Reason, ...]

    @property
    def text(self) -> str:
        """Advice in Markdown."""
        head = "**Promote**" if self.promote else "**Do not promote**"
        rival = "no champion yet" if self.against is None else f"against version {self.against}"
        lines = [f"- {'yes' if reason.holds else 'NO'}: {reason.text}" for reason in self.reasons]
        return "\n".join([f"{head} ({rival})", "", *lines])

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @staticmethod
    def of(told: Mapping[str, Any]) -> "Verdict":
        """Verdict from its plain values."""
        return Verdict(told["promote"], told["against"], tuple(Reason(**reason) for reason in told["reasons"]))


def pictures(results: pd.DataFrame, restorer: str) -> pd.DataFrame:
    """Outcomes of one restorer, a line a picture, by item.

    Parameters
    ----------
    results : rows of the evaluation.

    Returns
    -------
    Indexed by item: `text_group`, `symbol_version`, `error_rate` (wrong bits / bits), `read` (the message
    came back, or where there is none the right text), `false_read`.
    """
    own = results[results["restorer"] == restorer].set_index("item").sort_index()
    message, text = own["message_recovered"], own["recognised"]
    read = message.where(message.notna(), text)
    return pd.DataFrame(
        {
            "text_group": own["text_group"],
            "symbol_version": own["symbol_version"].astype("Int64"),
            "error_rate": own["bit_errors"].astype(float) / own["bits"].astype(float),
            "read": read.astype(bool),
            "false_read": own["false_read"].eq(True),
        }
    )


def verdict(
    challenger: pd.DataFrame,
    baseline: tuple[str, pd.DataFrame],
    limits: Limits,
    champion: pd.DataFrame | None = None,
    *,
    against: str | None = None,
    seconds: tuple[ArrayLike, ArrayLike] | str = "not asked for",
    unmeasured: str | None = None,
) -> Verdict:
    """Compare a challenger with what it must not fall below, and with the champion.

    Parameters
    ----------
    challenger, champion : `pictures` of each, of the same items.
    baseline : name and `pictures` of what it must not fall below, of some of the items.
    against : the champion's version.
    seconds : of challenger and champion, (n,) each, of the same pictures in one run on one machine; or why they
        were not measured.
    unmeasured : why there is nothing to compare with, although there is a champion.

    Raises
    ------
    ValueError
        The two were not measured on the same pictures.
    """
    reasons = [_above_baseline(challenger, *baseline), *_versions(challenger, None, limits)]
    if champion is not None:
        if not challenger.index.equals(champion.index):
            raise ValueError("challenger and champion were not measured on the same pictures")
        reasons += [*_against(challenger, champion, limits, seconds)]
    if unmeasured is not None:
        reasons.append(Reason("champion", False, f"the champion cannot be compared with: {unmeasured}"))
    return Verdict(all(reason.holds for reason in reasons), against, tuple(reasons))


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided test that a picture which only one of two reads is as likely either's; 1 where there is none."""
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def p95_ratio(new: ArrayLike, old: ArrayLike) -> tuple[float, float, float]:
    """Ratio of two 95th percentiles over the same pictures, with its interval by bootstrap over them."""
    both = np.array([new, old], np.float64)
    draws = np.random.default_rng(0).integers(both.shape[1], size=(_DRAWS, both.shape[1]))
    upper = np.quantile(both[:, draws], 0.95, axis=2)
    low, high = np.quantile(upper[0] / upper[1], (0.025, 0.975))
    whole = np.quantile(both, 0.95, axis=1)
    return float(whole[0] / whole[1]), float(low), float(high)


def _above_baseline(challenger: pd.DataFrame, name: str, baseline: pd.DataFrame) -> Reason:
    common = challenger.index.intersection(baseline.index)
    new, free = challenger.loc[common], baseline.loc[common]
    errors, rates = (new["error_rate"].mean(), free["error_rate"].mean()), (new["read"].mean(), free["read"].mean())
    return Reason(
        "baseline",
        bool(len(common) and errors[0] <= errors[1] and rates[0] >= rates[1]),
        f"not below {name}: bit error rate {errors[0]:.3g} to {errors[1]:.3g}, "
        f"read {rates[0]:.4g} to {rates[1]:.4g} ({len(common)} pictures)",
        {"bit_error_rate": float(errors[0]), "baseline": float(errors[1])},
    )


def _versions(new: pd.DataFrame, old: pd.DataFrame | None, limits: Limits) -> Iterator[Reason]:
    """A floor for every symbol version, so that a mean cannot hide a broken one."""
    rates = new.groupby("symbol_version")["read"].mean()
    if rates.empty:
        return
    if old is None:
        worst = rates.idxmin()
        yield Reason(
            "version floor",
            bool(rates[worst] >= limits.version_floor),
            f"the worst symbol version, {worst}, reads {rates[worst]:.4g} (floor {limits.version_floor:g})",
            {"symbol_version": float(worst), "read": float(rates[worst])},
        )
        return
    change = rates - old.groupby("symbol_version")["read"].mean()
    worst = change.idxmin()
    yield Reason(
        "version margin",
        bool(change[worst] >= -limits.version_margin),
        f"symbol version {worst} changes most for the worse: {change[worst]:+.4g} (margin {limits.version_margin:g})",
        {"symbol_version": float(worst), "difference": float(change[worst])},
    )


def _against(
    new: pd.DataFrame, old: pd.DataFrame, limits: Limits, seconds: tuple[ArrayLike, ArrayLike] | str
) -> Iterator[Reason]:
    """Rules of the comparison with a champion."""
    difference = (new["error_rate"] - old["error_rate"]).to_numpy()
    known = np.isfinite(difference)
    change, low, high = 0.0, 0.0, 0.0
    if known.any():
        change = float(difference[known].mean())
        low, high = clustered_bootstrap(difference[known], new["text_group"].to_numpy()[known])
    yield Reason(
        "bit error rate",
        change <= limits.bit_error_rate_margin,
        f"bit error rate {new['error_rate'].mean():.3g} against {old['error_rate'].mean():.3g}: "
        f"{change:+.3g} ({low:+.3g} to {high:+.3g}; margin {limits.bit_error_rate_margin:g})",
        {"difference": change, "low": low, "high": high},
    )
    gained, lost = _counts(new["read"].to_numpy(), old["read"].to_numpy())
    chance = mcnemar(gained, lost)
    yield Reason(
        "recognition",
        (gained - lost) / len(new) >= -limits.recognition_rate_margin,
        f"read {new['read'].mean():.4g} against {old['read'].mean():.4g}: {gained} gained, {lost} lost of {len(new)} "
        f"(McNemar p {chance:.2g}; margin {limits.recognition_rate_margin:g})",
        {"gained": float(gained), "lost": float(lost), "p": chance},
    )
    wrong = int(new["false_read"].sum()), int(old["false_read"].sum())
    yield Reason(
        "false reads",
        wrong[0] <= wrong[1] + limits.false_reads_margin,
        f"wrong texts {wrong[0]} against {wrong[1]} (margin {limits.false_reads_margin})",
        {"challenger": float(wrong[0]), "champion": float(wrong[1])},
    )
    yield from _versions(new, old, limits)
    faster = False
    if isinstance(seconds, str):
        yield Reason("time", False, f"restoration time was not measured side by side: {seconds}")
    else:
        ratio, fastest, slowest = p95_ratio(*seconds)
        faster = slowest < 1 / limits.restoration_time_ratio
        yield Reason(
            "time",
            ratio <= limits.restoration_time_ratio,
            f"restoration time, p95, {ratio:.2f} times the champion's in one run ({fastest:.2f} to {slowest:.2f}; "
            f"limit {limits.restoration_time_ratio:g})",
            {"ratio": ratio, "low": fastest, "high": slowest},
        )
    wins = {"bit error rate": high < 0, "recognition": gained > lost and chance < _SIGNIFICANT, "time": faster}
    won = [name for name, is_won in wins.items() if is_won]
    yield Reason("gain", bool(won), f"a gain by more than noise: {', '.join(won) or 'none'}")


def _counts(new: NDArray[np.bool_], old: NDArray[np.bool_]) -> tuple[int, int]:
    """Pictures that only the new one reads, and only the old one."""
    return int((new & ~old).sum()), int((old & ~new).sum())
