"""A small Ray for one training, under a guard: it prints its address and lives as long as its standard input."""

from __future__ import annotations

import sys

import ray


def main() -> None:
    """Start one with the given number of CPUs, with its files in a folder."""
    cpus, folder = int(sys.argv[1]), sys.argv[2]
    context = ray.init(
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=folder,
    )
    sys.stdout.write(f"{context.address_info['gcs_address']}\n")
    sys.stdout.flush()
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    main()
