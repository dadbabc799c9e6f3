"""Compile `openrtb.proto` to the description that serving reads.

How to run, after a change of the file:

    python -m rtb.openrtb.protobuf.generate

What to expect: `openrtb.binpb` beside it is written anew. grpcio-tools, which is only needed here, has the compiler.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
COMPILED = _HERE / "openrtb.binpb"


def compiled() -> bytes:
    """Return the description of the file and of what it imports.

    Raises:
        subprocess.CalledProcessError: the file has an error, or the compiler is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        options = [f"--proto_path={_HERE}", f"--descriptor_set_out={out}", "--include_imports"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, "openrtb.proto"], check=True)
        return out.read_bytes()


if __name__ == "__main__":
    COMPILED.write_bytes(compiled())
