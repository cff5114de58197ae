"""Serves the series of a text file through prometheus_client: a collector makes families at each
scrape, as exporters have it that hold their numbers themselves.

usage: prometheus_client_page.py HOST PORT FILE
"""

import sys
import threading

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.parser import text_fd_to_metric_families

host, port, path = sys.argv[1:]


def histogram_rows(samples):
    """Labels, buckets and sum of each histogram."""
    rows = {}
    for sample in samples:
        labels = tuple(v for name, v in sample.labels.items() if name != "le")
        buckets, sums = rows.setdefault(labels, ([], []))
        if "le" in sample.labels:
            buckets.append((sample.labels["le"], sample.value))
        elif sample.name.endswith("_sum"):
            sums.append(sample.value)
    return [(labels, buckets, sums[0]) for labels, (buckets, sums) in rows.items()]


class Page:
    def __init__(self, file):
        self.families = [self.compact(family) for family in text_fd_to_metric_families(file)]

    @staticmethod
    def compact(family):
        names = tuple(name for name in family.samples[0].labels if name != "le")
        if family.type == "histogram":
            kind, rows = HistogramMetricFamily, histogram_rows(family.samples)
        else:
            kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            # Every label value is in memory once.
            rows = [
                (tuple(map(sys.intern, sample.labels.values())), sample.value)
                for sample in family.samples
            ]
        return kind, family.name, family.documentation, names, rows

    def collect(self):
        for kind, name, documentation, names, rows in self.families:
            family = kind(name, documentation, labels=names)
            for row in rows:
                family.add_metric(*row)
            yield family


with open(path, encoding="utf-8") as file:
    page = Page(file)
registry = CollectorRegistry()
registry.register(page)
start_http_server(int(port), addr=host, registry=registry)
threading.Event().wait()
