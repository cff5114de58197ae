"""Reads Grafana dashboards with Grafana's own SDK and reports whatever its model does not know.

The SDK ignores what it does not know and takes any value, so three things are compared: that every
field comes out again, that every value has the type that the model says, and that every panel type
and query language is one that the SDK has.
Usage: dashboards.py FILE...
"""

import enum
import json
import sys
import types
import typing

from grafana_foundation_sdk.cog import plugins, runtime
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard


def encoded(model):
    return json.loads(json.dumps(model, cls=JSONEncoder))


def lost(before, after, path):
    """Fields that did not come out as they went in."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before:
            if before[key] is None:
                continue
            if key in after:
                yield from lost(before[key], after[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}: is not a field"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after)):
            yield from lost(*pair, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before!r} is read as {after!r}"


def fits(value, hint):
    """Whether a value has the type of a hint; models are looked into by `wrong`."""
    origin = typing.get_origin(hint)
    if hint is typing.Any or hint is object:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in typing.get_args(hint))
    if origin is list:
        return isinstance(value, list) and all(fits(v, typing.get_args(hint)[0]) for v in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(v, typing.get_args(hint)[1]) for v in value.values())
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [one.value for one in hint]
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, dict) and hasattr(hint, "from_json"):
        # The SDK leaves some models undecoded.
        return not list(lost(value, encoded(hint.from_json(value)), ""))
    return isinstance(value, hint) if isinstance(hint, type) else True


def wrong(value, path):
    """Values whose type is not the model's."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from wrong(one, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from wrong(one, f"{path}.{key}")
    elif type(value).__module__.startswith("grafana_foundation_sdk."):
        if isinstance(value, enum.Enum):
            return
        for name, hint in typing.get_type_hints(type(value)).items():
            one = getattr(value, name, None)
            if not fits(one, hint):
                yield f"{path}.{name}: {one!r} is not {hint}"
            yield from wrong(one, f"{path}.{name}")


def unknown(panel, path):
    """Panel types and query languages that the SDK does not have."""
    if panel["type"] == "row":
        return
    registry = runtime.Runtime()
    if panel["type"] not in registry.panelcfg_variants:
        yield f"{path}.type: there is no panel {panel['type']!r}"
    for query in panel["targets"]:
        if query["datasource"]["type"] not in registry.dataquery_variants:
            yield f"{path}.targets: there is no data source {query['datasource']['type']!r}"


def problems(file):
    with open(file, encoding="utf-8") as text:
        source = json.load(text)
    model = Dashboard.from_json(source)
    yield from lost(source, encoded(model), "")
    yield from wrong(model, "")
    for index, panel in enumerate(source["panels"]):
        yield from unknown(panel, f".panels[{index}]")


plugins.register_default_plugins()
found = [f"{file}{problem}" for file in sys.argv[1:] for problem in problems(file)]
print("\n".join(found))
sys.exit(bool(found))
