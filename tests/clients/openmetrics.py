"""Reads OpenMetrics from stdin with the official client's strict parser, and prints each family's
name and number of samples."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.buffer.read().decode()):
    total = "_total" if family.type == "counter" else ""
    print(family.name + total, len(family.samples))
