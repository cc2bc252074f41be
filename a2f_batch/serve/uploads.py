"""Uploads: into a private folder under limits, and gone with the request however it ends."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from a2f_batch.errors import A2FError
from a2f_batch.serve.answers import RequestError, without_folder
from a2f_batch.serve.settings import Settings

FIELD = "file"
_FORM_BYTES = 64 * 1024  # what a form is around its file
_UNSAFE = re.compile('[/\\\\<>:"|?*\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
_MAX_NAME_BYTES = 120

#: What FastAPI can't find out for /docs, for the form is read here.
FORM = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {
    "type": "object", "required": [FIELD], "properties": {FIELD: {
        "type": "string", "format": "binary", "description": "The sound: any file that a2f-batch reads, known by its content."}}}}}}}


@dataclass(frozen=True)
class Upload:
    """A sound that a client sent.

    Attributes:
        path: where it is, alone in a folder of its own.
        name: what the client calls it.
    """

    path: Path
    name: str


@asynccontextmanager
async def received(request: Request, settings: Settings, folder: Path) -> AsyncIterator[Upload]:
    """Yield the file of a form; it vanishes with the block, and its folder is in no error that the block raises.

    Args:
        folder: private, where uploads are kept.

    Raises:
        RequestError: 'upload-malformed', 'upload-missing', 'upload-too-large', 'upload-timeout'.
        starlette.requests.ClientDisconnect: nobody is there any more.
    """
    limited = _Limited(request, settings.max_bytes)
    own = Path(await run_in_threadpool(tempfile.mkdtemp, dir=folder))
    try:
        try:
            async with asyncio.timeout(settings.upload_seconds):
                name = await _save(limited, own)
        except TimeoutError:
            raise RequestError(f"The upload did not come in {settings.upload_seconds:g} s.",
                               "Send it faster, or start the service with a higher --upload-seconds.", code="upload-timeout") from None
        yield Upload(own / safe_name(name), name)
    except A2FError as error:
        raise without_folder(error, str(own) + os.sep) from error
    finally:
        await run_in_threadpool(shutil.rmtree, own, ignore_errors=True)


class _Limited:
    """A request whose body may not become too long."""

    def __init__(self, request: Request, max_bytes: int) -> None:
        self._request, self._max_bytes = request, max_bytes
        self._left = max_bytes + _FORM_BYTES
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._left:
            raise self._too_large()

    def form(self) -> Request:
        """Return the request, to be read as a form."""
        return Request(self._request.scope, self._receive)

    async def _receive(self) -> Message:
        message = await self._request.receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise self._too_large()
        return message

    def _too_large(self) -> RequestError:
        return RequestError(f"The upload has more than {self._max_bytes / 2 ** 20:g} MiB, the limit.",
                            "Send a shorter sound, or a compressed one (FLAC), or start the service with a higher --max-mb.",
                            code="upload-too-large")


async def _save(limited: _Limited, folder: Path) -> str:
    """Write the form's file into `folder`; return its name."""
    try:
        async with limited.form().form(max_files=1, max_fields=16, max_part_size=_FORM_BYTES) as form:
            upload = form.get(FIELD)
            if not isinstance(upload, UploadFile):
                raise RequestError(f"The form has no file in its field '{FIELD}'.",
                                   f"Send multipart/form-data, as curl -F {FIELD}=@line.wav does.", code="upload-missing")
            name = upload.filename or "sound"
            await run_in_threadpool(_copy, upload, folder / safe_name(name))
            return name
    except HTTPException as error:  # the form's own faults
        raise RequestError(f"The upload is no form: {error.detail}", f"Send multipart/form-data, as curl -F {FIELD}=@line.wav does.",
                           code="upload-malformed") from None


def _copy(upload: UploadFile, path: Path) -> None:
    upload.file.seek(0)
    with open(path, "xb") as file:
        shutil.copyfileobj(upload.file, file, 1 << 20)


def safe_name(name: str) -> str:
    """Return a client's name for a file as one that is but a name, on every system; the ending stays."""
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2]))
    stem, suffix = os.path.splitext(name.strip(" ."))
    suffix = suffix if len(suffix.encode()) <= 16 else ""
    return (stem.encode()[:_MAX_NAME_BYTES].decode(errors="ignore").strip(" .") or "sound") + suffix


