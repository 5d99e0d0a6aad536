"""How much a page takes: what says that it is larger is refused before a byte of it is read or written to disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from track360.views import too_large

LINGER_SECONDS = 10.0  # how long what is still being sent is thrown away
SILENCE_SECONDS = 2.0
OWN_LIMITS = ("/api/", "/oauth/")  # answered in JSON, by views that read no form
AROUND = 512 * 1024  # what the other fields of a form and the parts' headers may add to a file


class UploadLimitMiddleware:
    """Stands before whatever reads the form, as the check of its CSRF token does.

    A body a little over the limit passes: its form says so beside the field and keeps what was typed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(OWN_LIMITS) and self.is_too_large(request):
            response = too_large(request)
            # After the answer has gone out.
            response._resource_closers.append(lambda: discard(request))  # type: ignore[attr-defined]
            return response
        return self.get_response(request)

    def is_too_large(self, request: HttpRequest) -> bool:
        declared = request.META.get("CONTENT_LENGTH") or ""
        size = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 19 else 0
        if size <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return False
        if size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE + AROUND:
            return True
        try:
            request.POST  # noqa: B018  # text, unlike a file, is refused here
        except RequestDataTooBig:
            return True
        return False


def discard(request: HttpRequest) -> None:
    """Throw away what is on its way, for a while: to close at once would reset the connection, and a browser that is
    still sending would show that in place of the answer."""
    connection = request.META.get("gunicorn.socket")
    if connection is None:
        return
    deadline = time.monotonic() + LINGER_SECONDS
    with suppress(OSError):
        connection.settimeout(SILENCE_SECONDS)
        while time.monotonic() < deadline and request.META["wsgi.input"].read(64 * 1024):
            pass
