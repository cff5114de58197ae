"""Reads a compose file by the Compose Specification; unknown keys and undeclared volumes are errors.

Usage: compose.py FILE
"""

import sys

import compose_spec

with open(sys.argv[1], encoding="utf-8") as text:
    compose_spec.PyCompose.from_yaml(text.read()).validate()
