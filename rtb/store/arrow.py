"""A store as a file system of pyarrow, for libraries that write by themselves and need no conditional writes."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from pyarrow import fs

from rtb.store.bucket import check_bucket_url


def arrow_filesystem(url: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a store and the store's path in it.

    It can be pickled, and holds no credentials: each process finds them where `rtb.store.bucket.BucketStore` does.

    Args:
        url: URL or path, as `rtb.store.open_store` takes it.

    Raises:
        ValueError: it names no bucket, or has unknown parameters.
    """
    if not url.startswith("s3://"):
        return fs.LocalFileSystem(), str(Path(unquote(urlsplit(url).path) if url.startswith("file://") else url))
    check_bucket_url(url)
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    endpoint = given.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL", "")
    scheme, separator, address = endpoint.rpartition("://")
    options = {"endpoint_override": address, "scheme": scheme if separator else given.get("scheme", "https")}
    if region := given.get("region") or os.environ.get("AWS_REGION"):
        options["region"] = region
    bucket = fs.S3FileSystem(**{name: option for name, option in options.items() if option})
    return bucket, f"{parts.netloc}{parts.path}".rstrip("/")
