"""Serves the series of a text file through prometheus_client.

usage: prometheus_client_page.py HOST PORT FILE
"""

import sys
import threading

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.parser import text_fd_to_metric_families

host, port, path = sys.argv[1:]
disable_created_metrics()
registry = CollectorRegistry()


def register(family):
    first = family.samples[0].labels
    names = [name for name in first if name != "le"]
    arguments = (family.name, family.documentation, names)
    if family.type == "counter":
        metric = Counter(*arguments, registry=registry)
    elif family.type == "histogram":
        bounds = []
        for sample in family.samples:
            bound = sample.labels.get("le")
            if sample.name.endswith("_bucket") and bound not in bounds:
                bounds.append(bound)
        metric = Histogram(*arguments, registry=registry, buckets=bounds)
    else:
        metric = Gauge(*arguments, registry=registry)
    for sample in family.samples:
        labels = [sample.labels[name] for name in names]
        child = metric.labels(*labels) if names else metric
        if family.type == "counter":
            child.inc(sample.value)
        elif family.type != "histogram":
            child.set(sample.value)


with open(path, encoding="utf-8") as file:
    for family in text_fd_to_metric_families(file):
        register(family)
start_http_server(int(port), addr=host, registry=registry)
threading.Event().wait()
