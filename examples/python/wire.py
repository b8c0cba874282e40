"""The messages and stubs of Concordat, generated from ../../proto at run time, into a folder that goes away with the process."""

import atexit
import pathlib
import shutil
import sys
import tempfile

import grpc_tools.protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
# What is generated imports google.protobuf, whose proto files come with grpc_tools.
WELL_KNOWN = pathlib.Path(grpc_tools.__file__).parent / "_proto"


def _generate() -> str:
    out = tempfile.mkdtemp(prefix="concordat-python-")
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    files = sorted(str(file) for file in (PROTO / "concordat" / "v1").glob("*.proto"))
    words = ["protoc", f"-I{PROTO}", f"-I{WELL_KNOWN}", f"--python_out={out}", f"--grpc_python_out={out}", *files]
    if grpc_tools.protoc.main(words) != 0:
        raise SystemExit("protoc could not generate the client: see its message above")
    return out


sys.path.insert(0, _generate())

from concordat.v1 import error_details_pb2, resource_pb2, transaction_pb2, types_pb2  # noqa: E402
from concordat.v1 import resource_pb2_grpc, transaction_pb2_grpc  # noqa: E402

__all__ = [
    "error_details_pb2",
    "resource_pb2",
    "resource_pb2_grpc",
    "transaction_pb2",
    "transaction_pb2_grpc",
    "types_pb2",
]
