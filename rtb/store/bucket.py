"""A bucket as a store, by S3's protocol: Amazon's, or a server that speaks it, such as MinIO, Ceph or SeaweedFS."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from rtb.store.protocol import StoreAway

_WHOLE_BYTES = 8 << 20
"""Size up to which a file is read at once, in one request."""
_READ_AT_ONCE = 1 << 20
_PARAMETERS = ("endpoint_override", "region", "scheme")
_OPTIONS: Any = {"timeout": "30s", "connect_timeout": "5s", "allow_http": True}  # only who names an endpoint says http
_RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}


class BucketStore:
    """A store in a bucket: see `rtb.store.protocol.Store`.

    Objects appear whole, listings show them at once, and `create` is a conditional write (`If-None-Match: *`).

    Args:
        client: client of the bucket.
        url: where the bucket is, for people.
        prefix: folder in it; empty: the bucket itself.
    """

    def __init__(self, client: S3Store, url: str, prefix: str = "") -> None:
        self._client = client
        self._url = url
        self._prefix = prefix

    @classmethod
    def of(cls, url: str) -> BucketStore:
        """Return the store of a URL: `s3://bucket/prefix?endpoint_override=http://host:port&region=...`.

        Credentials, region and endpoint are those of the usual variables, `AWS_ACCESS_KEY_ID` and its neighbours, or of
        the machine's or pod's role.

        Raises:
            ValueError: the URL names no bucket, or has unknown parameters.
        """
        check_bucket_url(url)
        parts = urlsplit(url)
        client = S3Store(
            parts.netloc,
            config=_configuration(dict(parse_qsl(parts.query))),
            client_options=_OPTIONS,
            retry_config=_RETRIES,
        )
        return cls(client, f"s3://{parts.netloc}", parts.path.strip("/"))

    @property
    def url(self) -> str:
        """See `Store`."""
        return f"{self._url}/{self._prefix}" if self._prefix else self._url

    def local(self, name: str = "") -> Path | None:
        """See `Store`."""
        return None

    def below(self, folder: str) -> BucketStore:
        """See `Store`."""
        return BucketStore(self._client, self._url, self._name(folder))

    def folders(self, folder: str = "") -> list[str]:
        """See `Store`."""
        with _answered():
            found = obstore.list_with_delimiter(self._client, self._name(folder) or None)
        return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])

    def files(self, folder: str = "") -> list[str]:
        """See `Store`."""
        within = self._name(folder)
        with _answered():
            found = obstore.list_with_delimiter(self._client, within or None)
        paths = (one["path"] for one in found["objects"])
        return sorted(path.rpartition("/")[2] for path in paths if path != within)  # some servers list an empty folder

    def read(self, name: str) -> bytes:
        """See `Store`."""
        with _answered():
            return obstore.get(self._client, self._name(name)).bytes().to_bytes()

    def open(self, name: str) -> pa.NativeFile:
        """See `Store`."""
        with _answered():
            found = obstore.get(self._client, self._name(name))
            if found.meta["size"] <= _WHOLE_BYTES:
                return pa.BufferReader(found.bytes().to_bytes())
            raw = _Ranges(self._client, self._name(name), found.meta["size"])
        return pa.PythonFile(io.BufferedReader(raw, _READ_AT_ONCE), mode="r")

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """See `Store`."""
        with tempfile.TemporaryFile(prefix="raybid-store-") as file:
            yield file
            file.seek(0)
            with _answered():
                obstore.put(self._client, self._name(name), file)

    def write(self, name: str, content: bytes | memoryview) -> None:
        """See `Store`."""
        with _answered():
            obstore.put(self._client, self._name(name), bytes(content))

    def create(self, name: str, content: bytes) -> bool:
        """See `Store`."""
        try:
            with _answered():
                obstore.put(self._client, self._name(name), content, mode="create", use_multipart=False)
        except FileExistsError:
            return self.read(name) == content  # the answer to a first try may have been lost, and this is the second
        return True

    def remove(self, name: str) -> None:
        """See `Store`."""
        try:
            with _answered():
                obstore.delete(self._client, self._name(name))
        except FileNotFoundError:
            return

    def remove_folder(self, folder: str) -> None:
        """Do nothing: a bucket has no folders without files."""

    def remove_drafts(self) -> None:
        """Do nothing: objects are never half-written."""

    def is_away(self, error: OSError) -> bool:
        """See `Store`."""
        return isinstance(error, StoreAway)

    def _name(self, name: str) -> str:
        return "/".join(filter(None, (self._prefix, name)))


class _Ranges(io.RawIOBase):
    """A large object, read in ranges."""

    def __init__(self, client: S3Store, name: str, size: int) -> None:
        self._client, self._name, self._size = client, name, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._at)
        if length <= 0:
            return 0
        with _answered():
            part = obstore.get_range(self._client, self._name, start=self._at, length=length).to_bytes()
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def check_bucket_url(url: str) -> None:
    """Check the URL of a bucket.

    Raises:
        ValueError: it names no bucket, contains credentials, or has unknown parameters.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc:
        raise ValueError("must be s3://bucket/prefix; credentials come from AWS_ACCESS_KEY_ID and its neighbours")
    unknown = sorted({name for name, _ in parse_qsl(parts.query)} - set(_PARAMETERS))
    if unknown:
        raise ValueError(f"has parameters other than {', '.join(_PARAMETERS)}: {', '.join(unknown)}")


def _configuration(given: dict[str, str]) -> Any:
    """Return the client's configuration from the parameters of a URL."""
    told: dict[str, str] = {}
    if endpoint := given.get("endpoint_override"):
        told["endpoint"] = endpoint if "://" in endpoint else f"{given.get('scheme', 'https')}://{endpoint}"
    if region := given.get("region"):
        told["region"] = region
    return told


@contextmanager
def _answered() -> Iterator[None]:
    """Raise what a bucket answers as the errors of files: in one line, without what a client adds for debugging."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(_first_line(error)) from None
    except AlreadyExistsError as error:
        raise FileExistsError(_first_line(error)) from None
    except BaseError as error:
        raise StoreAway(_first_line(error)) from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:500]
