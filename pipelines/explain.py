"""Entry point of `raybid.explain` under its established name.

How to run:

    python -m pipelines.explain --sample 200
"""

from __future__ import annotations

import typer

from raybid.explain import main

if __name__ == "__main__":
    typer.run(main)
