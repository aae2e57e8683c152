"""Metrics in Prometheus's text format. Only those of ipamd (`awscni_…`) are kept."""

import math
import re
from collections.abc import Iterable

from vpcipam._units import counted
from vpcipam.inspection.evidence import MetricSample
from vpcipam.inspection.readers.collector import Collector
from vpcipam.inspection.releases import ANY_RELEASE, Releases

KIND = "ipamd's metrics (Prometheus text)"
MOST_SAMPLES = 200_000
"""The most samples that are kept of a file; a node has some hundreds."""

_CANNOT_SHOW = ("which pods hold addresses: metrics are counts",)
_PREFIX = "awscni_"
_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{([^\n]*)\})?\s+([-+]?[\w.+-]+)(?:\s+-?\d+)?")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"\s*,?\s*')
_OF_IPAMD = re.compile(r"(?:# (?:HELP|TYPE) )?awscni_\w+[ {]")
_PER_CIDR = "awscni_assigned_ip_per_cidr"


def is_exposition(head: str) -> bool:
    """Recognise metrics of ipamd by the first lines of a text."""
    return any(_OF_IPAMD.match(line) for line in head.splitlines())


def read_exposition(collector: Collector, lines: Iterable[tuple[int, str]]) -> None:
    """Read the samples; if there are several of one metric with the same labels, the last counts. Memory: O(different samples)."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[int, MetricSample]] = {}
    others = 0
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _SAMPLE.fullmatch(text)
        value = None if match is None else _number(match[3])
        labels = None if match is None else _labels(match[2] or "")
        if match is None or value is None or labels is None:
            collector.skip(text, "is no sample of a metric", line=number)
        elif not match[1].startswith(_PREFIX):
            others += 1
        elif (match[1], labels) not in found and len(found) >= MOST_SAMPLES:
            collector.skip(text, f"the text has more than {MOST_SAMPLES:,} different samples; the rest is not read", line=number)
            break
        else:
            finite = value if math.isfinite(value) else None
            found[match[1], labels] = (number, MetricSample(match[1], labels, finite))
    collector.metrics += [collector.fact(sample, line=number) for number, sample in found.values()]
    releases = Releases("v1.9.0") if any(name == _PER_CIDR for name, _ in found) else ANY_RELEASE
    remarks = (f"{counted(others, 'sample of another program is', 'samples of other programs are')} left out",) if others else ()
    collector.document(KIND, releases=releases, cannot_show=_CANNOT_SHOW, remarks=remarks)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _labels(text: str) -> tuple[tuple[str, str], ...] | None:
    """Read labels; None if the text is anything else."""
    labels = []
    position = 0
    while position < len(text):
        found = _LABEL.match(text, position)
        if found is None:
            return None
        labels.append((found[1], found[2]))
        position = found.end()
    return tuple(labels)
