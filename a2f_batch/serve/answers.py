"""Errors as the service tells them: JSON {code, problem, remedy} with a fitting HTTP status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from a2f_batch.errors import A2FError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

RETRY_SECONDS = 2

# Reason code -> status; what is not here is the request's own fault: 422.
_STATUS = {
    "not-found": 404, "method": 405, "upload-timeout": 408, "headers-timeout": 408,
    "upload-too-large": 413, "audio-too-long": 413, "upload-missing": 400,
    "upload-malformed": 400, "host-unknown": 421, "origin-unknown": 403, "busy": 503, "worker-lost": 500, "render-timeout": 504,
    "engine-failed": 500, "engine-output": 500, "engine-mismatch": 500, "output-unwritable": 500, "disk-full": 507, "internal": 500,
    "audio-no-ffmpeg": 501, "audio-no-pydub": 501,
}


class RequestError(A2FError):
    """A request is not one that the service takes."""


def answer(error: A2FError) -> JSONResponse:
    """Return the response that tells of `error`."""
    status = _STATUS.get(error.code, 422)
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None
    return JSONResponse({"code": error.code, "problem": error.problem, "remedy": error.remedy}, status, headers)


def without_folder(error: A2FError, folder: str) -> A2FError:
    """Return `error` with files in `folder` told by their names: where the service keeps them is nobody's business."""
    return type(error)(error.problem.replace(folder, ""), error.remedy.replace(folder, ""), code=error.code)


def tell_errors(app: FastAPI) -> None:
    """Have `app` answer every error as JSON, and keep its code for the log in the request's state."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect

    async def known(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, A2FError)
        request.state.code = error.code
        return answer(error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        faults = [f"'{'.'.join(str(part) for part in one['loc'][1:])}': {one['msg']}" for one in error.errors()]
        return await known(request, RequestError(f"The request can't be used: {'; '.join(faults)}.", "See /docs.", code="request"))

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            return await known(request, RequestError(f"{request.method} is no method of {request.url.path}.", "See /docs.", code="method"))
        return await known(request, RequestError(f"There is nothing at {request.url.path}.", "See /docs.", code="not-found"))

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it

    async def fault(request: Request, error: Exception) -> JSONResponse:
        return await known(request, RequestError(f"{type(error).__name__}: a fault of a2f-batch's own.",
                                                 "Please report it, with the service's log.", code="internal"))

    for kind, handler in ((A2FError, known), (RequestValidationError, invalid), (HTTPException, http), (ClientDisconnect, gone),
                          (Exception, fault)):
        app.add_exception_handler(kind, handler)
