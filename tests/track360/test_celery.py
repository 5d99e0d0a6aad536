"""The doorbells of the web process."""

from __future__ import annotations

from threading import Thread

from celery import current_app
from django.conf import settings


def test_every_thread_of_the_web_process_rings_at_our_broker() -> None:
    rung: list[str] = []

    thread = Thread(target=lambda: rung.append(current_app.conf.broker_url))
    thread.start()
    thread.join()

    assert rung == [settings.CELERY_BROKER_URL]
