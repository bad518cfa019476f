"""The promotion rule: pure, from figures to a verdict with its reasons. A person decides; this advises."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt


@dataclass(frozen=True)
class Limits:
    """Section `promotion`: how much a challenger may lose, and must win."""

    bit_error_rate_margin: Annotated[float, Ge(0)]
    recognition_rate_margin: Annotated[float, Ge(0)]
    restoration_time_ratio: Annotated[float, Gt(0)]


@dataclass(frozen=True)
class Figures:
    """Headline of a model version; each with its 95 % interval where it has one."""

    bit_error_rate: float
    bit_error_rate_interval: tuple[float, float]
    recognition_rate: float
    recognition_rate_interval: tuple[float, float]
    false_reads: int
    restoration_seconds: float
    timed_on: str = ""
    """Machine; times of different machines are not compared."""


@dataclass(frozen=True)
class Verdict:
    """Advice and every reason with its numbers."""

    promote: bool
    reasons: tuple[str, ...]

    @property
    def text(self) -> str:
        """Advice in Markdown."""
        head = "**Promote**" if self.promote else "**Do not promote**"
        return "\n".join([head, "", *(f"- {reason}" for reason in self.reasons)])


def verdict(challenger: Figures, champion: Figures | None, untouched: Figures, limits: Limits) -> Verdict:
    """Compare a challenger with the champion, and with leaving the pictures alone.

    It must beat untouched pictures beyond noise. Against a champion it may not lose on bit error
    rate, recognition, false reads or time by more than its margin, and must win on bit error rate or
    recognition by more than noise: its mean lies beyond the champion's interval.
    """
    new, bare = challenger, untouched
    judged = [
        (
            new.bit_error_rate < bare.bit_error_rate_interval[0]
            and new.recognition_rate > bare.recognition_rate_interval[1]
            and new.false_reads <= bare.false_reads,
            f"against untouched pictures: bit error rate {new.bit_error_rate:.4f} to {bare.bit_error_rate:.4f}, "
            f"recognition {new.recognition_rate:.3f} to {bare.recognition_rate:.3f}, "
            f"false reads {new.false_reads} to {bare.false_reads}",
        )
    ]
    if champion is None:
        judged.append((True, "no champion yet: a person decides whether this is the first"))
    else:
        judged += _against(challenger, champion, limits)
    return Verdict(
        all(good for good, _ in judged), tuple(f"{'yes' if good else 'NO'}: {text}" for good, text in judged)
    )


def _against(new: Figures, old: Figures, limits: Limits) -> list[tuple[bool, str]]:
    """Rules of the comparison with a champion: whether each holds, and its numbers."""
    ratio, comparable = new.restoration_seconds / old.restoration_seconds, new.timed_on == old.timed_on
    return [
        (
            new.bit_error_rate <= old.bit_error_rate + limits.bit_error_rate_margin,
            f"bit error rate {new.bit_error_rate:.4f} against {old.bit_error_rate:.4f} "
            f"(margin {limits.bit_error_rate_margin:g})",
        ),
        (
            new.recognition_rate >= old.recognition_rate - limits.recognition_rate_margin,
            f"recognition {new.recognition_rate:.3f} against {old.recognition_rate:.3f} "
            f"(margin {limits.recognition_rate_margin:g})",
        ),
        (new.false_reads <= old.false_reads, f"false reads {new.false_reads} against {old.false_reads}"),
        (
            ratio <= limits.restoration_time_ratio or not comparable,
            f"restoration time {ratio:.2f} times the champion's (limit {limits.restoration_time_ratio:g})"
            + ("" if comparable else ": not judged, timed on another machine"),
        ),
        (
            new.bit_error_rate < old.bit_error_rate_interval[0]
            or new.recognition_rate > old.recognition_rate_interval[1],
            "a gain beyond the champion's 95 % interval in bit error rate "
            f"({old.bit_error_rate_interval[0]:.4f}) or recognition ({old.recognition_rate_interval[1]:.3f})",
        ),
    ]
