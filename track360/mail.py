"""Mail to people, sent so that a mail server that is away fails nobody's request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)


def send(message: EmailMessage) -> bool:
    """Whether the mail server took it. The log says why not, and neither to whom nor what."""
    try:
        message.send()
    except OSError as error:  # what smtplib, the socket and TLS raise
        logger.error("Mail could not be sent (%s)", type(error).__name__)
        return False
    return True


def send_template(template_name: str, *, to: Sequence[str], subject: str, **context: Any) -> bool:
    """A plain text of `templates/…/email/`. One message an address: nobody learns who else gets it."""
    body = render_to_string(template_name, context)
    one_line = " ".join(subject.split())  # a header has one line, whatever a name holds
    return all([send(EmailMessage(subject=one_line, body=body, to=[address])) for address in to])
