"""A self-signed certificate for host names of a test."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


class Certificate(NamedTuple):
    """A certificate and its key.

    Attributes:
        path: file of the certificate.
        key_path: file of the key, for its owner only.
        pin: SHA-256 of the public key in base64, by which Chromium can be told to trust it.
    """

    path: Path
    key_path: Path
    pin: str

    def server_context(self) -> ssl.SSLContext:
        """Return the context of a server with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key_path)
        return context


def self_signed(folder: Path, hosts: Sequence[str]) -> Certificate:
    """Make a certificate for host names, valid for a day, in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path, key_path = folder / "sites.crt", folder / "sites.key"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    key_path.touch(0o600)
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Certificate(path, key_path, base64.b64encode(hashlib.sha256(public).digest()).decode())
