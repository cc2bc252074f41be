"""The messages of the stream: those of the dlp3d audio2face service, so that its clients work here.

`stream.proto` is the same for those who compile it; here the classes are made from their description, so that no generated code has to
match the installed protobuf.
"""

from __future__ import annotations

from functools import cache
from typing import Any

PACKAGE = "audio2face_blendshape_v1"

# Requests say in `class_name` which of these they are ...
START, BODY, END = (f"StreamingAudio2FaceV1Chunk{part}" for part in ("Start", "Body", "End"))
# ... and so do responses.
RESPONSE_START, RESPONSE_BODY, RESPONSE_END = (f"Audio2FaceV1ResponseChunk{part}" for part in ("Start", "Body", "End"))

# Message -> field, type, in the order of their numbers, from 1. Names and numbers are those that dlp3d's clients send
# (audio2face_v1.proto of dlp3d-ai/orchestrator).
_MESSAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "Audio2FaceBlendshapeV1Request": (
        ("class_name", "string"), ("request_id", "string"), ("sample_rate", "int32"), ("sample_width", "int32"), ("n_channels", "int32"),
        ("profile_name", "string"), ("offset_name", "string"), ("response_chunk_n_frames", "int32"), ("pcm_bytes", "bytes")),
    "Audio2FaceBlendshapeV1Response": (
        ("class_name", "string"), ("blendshape_names", "repeated string"), ("dtype", "string"), ("data", "bytes")),
}


def file_description() -> Any:
    """Return the messages as a protobuf `FileDescriptorProto`."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

    file = FileDescriptorProto(name="stream.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, start=1):
            *repeated, kind = kind.split()
            label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
            message.field.add(name=field, number=number, label=label, json_name=_json_name(field),
                              type=FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}"))
    return file


@cache
def _classes() -> dict[str, Any]:
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClassesForFiles

    pool = DescriptorPool()  # of our own: a client's generated code may be in the same process
    pool.Add(file_description())
    classes: dict[str, Any] = GetMessageClassesForFiles(["stream.proto"], pool)
    return classes


def read_request(content: bytes) -> Any:
    """Return the request that `content` is.

    Raises:
        google.protobuf.message.DecodeError: it is none.
    """
    return _classes()[f"{PACKAGE}.Audio2FaceBlendshapeV1Request"].FromString(content)


def response(class_name: str, **fields: Any) -> bytes:
    """Return a response as it goes over the wire."""
    content: bytes = _classes()[f"{PACKAGE}.Audio2FaceBlendshapeV1Response"](class_name=class_name, **fields).SerializeToString()
    return content


def _json_name(field: str) -> str:
    head, *rest = field.split("_")
    return head + "".join(word.capitalize() for word in rest)
