"""Entry point of `verification.conformance` under its established name.

How to run, in a checkout, as the wheel does not include `verification`:

    python -m pipelines.conformance --requests a.jsonl --requests b.jsonl
"""

from __future__ import annotations

from runpy import run_module

if __name__ == "__main__":
    run_module("verification.conformance", run_name="__main__", alter_sys=True)
