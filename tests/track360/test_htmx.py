from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django_htmx.middleware import HtmxMiddleware

from track360.htmx import render_page

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def rendered() -> Iterator[mock.Mock]:
    """Which template was asked for; what it holds is the template engine's business."""
    with mock.patch("track360.htmx.render", return_value=HttpResponse()) as render:
        yield render


def template_for(rendered: mock.Mock, headers: dict[str, str], *, fragment: str | None = "rows") -> str:
    def view(request: HttpRequest) -> HttpResponse:
        return render_page(request, "list.html", {}, fragment=fragment)

    response = HtmxMiddleware(view)(RequestFactory().get("/", headers=headers))
    assert response["Vary"] == "HX-Request"
    return str(rendered.call_args.args[1])


def test_htmx_gets_the_fragment(rendered: mock.Mock) -> None:
    assert template_for(rendered, HTMX) == "list.html#rows"


@pytest.mark.parametrize(
    "headers", [{}, {**HTMX, "HX-Boosted": "true"}, {**HTMX, "HX-History-Restore-Request": "true"}]
)
def test_what_replaces_the_page_gets_all_of_it(rendered: mock.Mock, headers: dict[str, str]) -> None:
    assert template_for(rendered, headers) == "list.html"


def test_a_page_without_a_fragment_is_always_whole(rendered: mock.Mock) -> None:
    assert template_for(rendered, HTMX, fragment=None) == "list.html"
