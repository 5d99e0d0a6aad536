"""The Content-Security-Policy of every page, and the one place where the admin gets one of its own."""

from __future__ import annotations

from typing import Any

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

# The admin's theme brings Alpine.js, which evaluates its attributes, and colours in a style element.
ADMIN_DIRECTIVES = {
    "script-src": [SELF, UNSAFE_INLINE, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}


class PolicyMiddleware(CSPMiddleware):
    """The policy of the settings; under the admin's address with `ADMIN_DIRECTIVES` in it."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(reverse("admin:index")):
            replaced: Any = {**(parts.replace or {}), **ADMIN_DIRECTIVES}
            parts.replace = replaced
        return parts
