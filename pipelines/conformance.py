"""Starts `verification.conformance`, by the name that its users know.

How to run, in the repository: what proves the platform is not in the wheel.

    python -m pipelines.conformance --requests a.jsonl --requests b.jsonl
"""

from __future__ import annotations

from runpy import run_module

if __name__ == "__main__":
    run_module("verification.conformance", run_name="__main__", alter_sys=True)
