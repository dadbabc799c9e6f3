"""Build every overlay, and check the result.

How to run, from the repository root:

    python -m cluster.manifests             # `make manifests`
    python -m cluster.manifests --write     # update generated files first: `make manifests WRITE=1`

What to expect: a line per folder while it works, a line per fault, and as the last line one JSON object,
`{"objects": N, "invalid": 0}`. Exit code 1 if anything is invalid or a generated file is stale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cluster.manifests import build, generate, references, validate
from cluster.manifests.crds import Crds, find_crds
from cluster.manifests.faults import ManifestFault, Missing

ROOT = Path(__file__).parents[2]


def main(*, write: Annotated[bool, typer.Option(help="update generated files first")] = False) -> None:
    """Build and check the manifests of cluster/kuberay."""
    try:
        if write:
            for path in generate.write(ROOT):
                typer.echo(f"wrote {path.relative_to(ROOT)}", err=True)
        count, faults = check(ROOT)
    except (Missing, OSError, ValueError) as error:
        typer.echo(f"manifests: {error}", err=True)
        raise typer.Exit(1) from error
    for fault in faults:
        typer.echo(str(fault), err=True)
    invalid = len({(fault.place, fault.name) for fault in faults})
    typer.echo(json.dumps({"objects": count, "invalid": invalid}))
    raise typer.Exit(1 if faults else 0)


def check(root: Path) -> tuple[int, list[ManifestFault]]:
    """Return the number of objects in all builds, and all faults in them and in the generated files.

    Raises:
        Missing: something that the checks need is missing.
        OSError, ValueError: the sources of generated files cannot be read.
    """
    crds = Crds(find_crds(root))
    faults = generate.check(root)
    count = 0
    for name in build.BUILT:
        place = f"cluster/kuberay/{name}"
        try:
            objects = build.build(root / place)
        except ValueError as error:
            faults.append(ManifestFault(place, "kustomization", "", str(error)))
            continue
        found = [fault for body in objects for fault in validate.check(place, body, crds)]
        found += references.check(place, objects)
        typer.echo(f"{place}: {len(objects)} objects, {len(found)} faults", err=True)
        faults += found
        count += len(objects)
    return count, faults


if __name__ == "__main__":
    typer.run(main)
