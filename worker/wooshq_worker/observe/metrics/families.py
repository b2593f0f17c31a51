"""Values of a metric as Prometheus reads them: text, or OpenMetrics with exemplars if the reader asks for it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.samples import Exemplar

from wooshq_worker.observe.metrics.names import Metric

_MOST_OF_AN_EXEMPLAR: Final = 128
"""Characters of its names and values together, as OpenMetrics allows."""


def values(metric: Metric, samples: Mapping[Any, float]) -> Family:
    """A counter or a gauge. samples: the labels' values, as a tuple in the order of `metric.labels` → value."""
    family: Any = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family  # type: ignore[no-any-return]


def one(metric: Metric, value: float) -> Family:
    """A counter or a gauge without labels."""
    return values(metric, {(): value})


class Histogram:
    """
    Counts values by bucket. Cheap: no lock, because one thread adds, and a thread that reads may miss the last value.

    exemplars: of some buckets a value, as (labels, value, seconds since the epoch).
    """

    __slots__ = ("_bounds", "counts", "exemplars", "total")

    def __init__(self, metric: Metric) -> None:
        self._bounds = tuple(metric.buckets)
        self.counts = [0] * (len(self._bounds) + 1)
        self.exemplars: list[tuple[Mapping[str, str], float, float] | None] = [None] * (len(self._bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def show(self, labels: Mapping[str, str], value: float, at: float) -> None:
        """Let this value be the exemplar of its bucket. labels: without those that are ''. at: seconds since the epoch."""
        kept = {name: text for name, text in labels.items() if text}
        if kept and sum(map(len, (*kept, *kept.values()))) <= _MOST_OF_AN_EXEMPLAR:
            self.exemplars[bisect_left(self._bounds, value)] = (kept, value, at)

    def buckets(self) -> list[Any]:
        """As `HistogramMetricFamily` takes them: cumulative."""
        found: list[Any] = []
        so_far = 0
        names = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        for name, count, exemplar in zip(names, list(self.counts), list(self.exemplars), strict=True):
            so_far += count
            if exemplar is None:
                found.append((name, so_far))
            else:
                labels, value, at = exemplar
                found.append((name, so_far, Exemplar(dict(labels), value, at)))
        return found


def histogram(metric: Metric, samples: Mapping[Any, Histogram]) -> Family:
    """samples: the labels' values in the order of `metric.labels` → what was counted."""
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, counted in samples.items():
        family.add_metric(labels, counted.buckets(), counted.total)
    return family


class _Collected:
    """As prometheus_client reads families."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def exposition(families: Iterable[Family], accept: str = "") -> tuple[bytes, str]:
    """The body of an answer, and its Content-Type. accept: the reader's header Accept."""
    encode, content_type = choose_encoder(accept)
    return encode(_Collected(families)), content_type
