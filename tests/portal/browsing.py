"""Pages of the portal in a real browser, signed in: what the tests of each share, beside the fixture `browser`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext
from pytest_django.live_server_helper import LiveServer

from tests.track360.test_look import SCREENS, faults


def cookie(client: Client, live_server: LiveServer) -> Any:
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": live_server.url}


def context_of(
    browser: Browser, client: Client, live_server: LiveServer, *, scripts: bool = True, **options: Any
) -> BrowserContext:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=scripts, **options)
    context.add_cookies([cookie(client, live_server)])
    return context


def faults_of(addresses: Iterable[str], *, client: Client, live_server: LiveServer, browser: Browser) -> list[str]:
    """What is wrong with the pages, on each of the screens. With SHOTS=folder a picture of each is left there."""
    found: list[str] = []
    for number, (address, (width, scheme)) in enumerate(itertools.product(addresses, SCREENS)):
        cookies = [cookie(client, live_server)]
        found += faults(browser, live_server.url + address, width=width, scheme=scheme, cookies=cookies)
        if folder := os.environ.get("SHOTS"):
            size: Any = {"width": width, "height": 900}
            context = context_of(browser, client, live_server, viewport=size, color_scheme=scheme)
            page = context.new_page()
            page.goto(address)
            page.screenshot(path=f"{folder}/{number:02}.png", full_page=True)
            context.close()
    return found
