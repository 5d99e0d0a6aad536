from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_save

IN_NUMBERS = frozenset({"difference.taken"})
"""Acts of which one form makes hundreds: the page that follows judges once."""


class OnboardingConfig(AppConfig):
    name = "onboarding"

    def ready(self) -> None:
        from onboarding.checklist import judge_after_commit
        from track360.models import AuditEvent

        def judge(instance: AuditEvent, **_: Any) -> None:
            if instance.partner is not None and instance.action not in IN_NUMBERS:
                judge_after_commit(instance.partner)

        # Every act leaves such a row, whichever app it belongs to.
        post_save.connect(judge, sender=AuditEvent, weak=False, dispatch_uid="checklist")
