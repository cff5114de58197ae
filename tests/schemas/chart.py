"""Lints and renders the Helm chart with every value set, with Helm's own code.

Every rendered object of Kubernetes is held to Kubernetes's schemas, unknown fields included. Prints the
objects of each value set as JSON, or for value sets in a directory `bad` why they are refused. Problems
go to stderr and end in exit code 1.
Usage: chart.py CHART VALUES...
"""

import json
import pathlib
import sys

import helm_python
import kubernetes_validate
import yaml

# The oldest version that the chart is for, and the newest that there are schemas for.
VERSIONS = ["1.25.0", kubernetes_validate.latest_version()]
# The least severe finding of a lint.
INFO = 1
# Of the Prometheus operator; Kubernetes has no schema of them.
CUSTOM = "monitoring.coreos.com/v1"


def problems_of(document):
    if document["apiVersion"] == CUSTOM:
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{document['kind']} by Kubernetes {version}: {error.message}"


def main(chart, *files):
    rendered, problems = {}, []
    with helm_python.Chart.load(chart) as loaded:
        for file in files:
            name = pathlib.Path(file).stem
            values = yaml.safe_load(pathlib.Path(file).read_text(encoding="utf-8"))
            if pathlib.Path(file).parent.name == "bad":
                try:
                    loaded.validate_schema(values)
                    problems.append(f"{name}: bad values are accepted")
                except helm_python.HelmValuesError as error:
                    rendered[name] = {"refused": str(error)}
                continue
            loaded.validate_schema(values)
            for message in helm_python.lint(chart, values, strict=True)["messages"]:
                if message["severity"] > INFO:
                    problems.append(f"{name}: lint: {message}")
            manifests = loaded.render(values, name="aliyun-rds-import-exporter", namespace="monitoring")
            rendered[name] = {"text": {}, "objects": []}
            for template, text in sorted(manifests.items()):
                if template.endswith("NOTES.txt"):
                    continue
                documents = [one for one in yaml.safe_load_all(text) if one]
                if documents:
                    rendered[name]["text"][pathlib.Path(template).name] = text.strip()
                for document in documents:
                    problems += [f"{name}: {problem}" for problem in problems_of(document)]
                    rendered[name]["objects"].append(document)
    print(json.dumps(rendered))
    print("\n".join(problems), file=sys.stderr)
    return bool(problems)


sys.exit(main(*sys.argv[1:]))
