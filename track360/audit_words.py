"""What each action of the audit trail is called, in words that go on from the actor's name."""

from __future__ import annotations

# `noun.verb` -> the phrase; `{}` is the target.
PHRASES = {
    "affiliate.added": "added affiliates",
    "affiliate.changed": "changed the affiliate {}",
    "affiliate.created": "registered the affiliate {}",
    "affiliate.deleted": "removed the affiliate {}",
    "affiliates.changed": "changed the affiliates",
    "client.created": "created the client {}",
    "client.revoked": "revoked the client {}",
    "client.secret_revoked": "revoked a secret of the client {}",
    "client.secret_rotated": "rotated the secret of the client {}",
    "client.token_issued": "fetched a token of the client {} in the portal",
    "customer.erased": "erased the customer {}",
    "demo.filled": "filled the sandbox with the demo's data",
    "export.downloaded": "downloaded an export of all data",
    "export.made": "had an export of all data made",
    "export.requested": "asked for an export of all data",
    "fxrate.changed": "changed the exchange rate {}",
    "fxrate.created": "entered the exchange rate {}",
    "fxrate.deleted": "removed the exchange rate {}",
    "invitation.accepted": "accepted the invitation of {}",
    "invitation.created": "invited {}",
    "invitation.revoked": "revoked the invitation of {}",
    "invitation.sent_again": "sent the invitation of {} again",
    "member.removed": "removed {} from the team",
    "member.role_changed": "changed the role of {}",
    "membership.changed": "changed the role of {}",
    "membership.created": "added {} to a team",
    "membership.deleted": "removed {} from a team",
    "note.added": "wrote a note on {}",
    "partner.changed": "changed the partner {}",
    "partner.closed": "closed the partner {}",
    "partner.created": "created the partner {}",
    "partner.looked_at": "looked at the pages of {}",
    "partner.suspended": "suspended the partner {}",
    "partner.suspension_lifted": "lifted the suspension of {}",
    "rehearsal.opened": "opened a rehearsal window",
    "sample.columns_set": "set the columns of the sample {}",
    "sample.created": "tried a sample of {}",
    "sample.mended": "mended a sample of {}",
    "sample.switched": "checked the sample {} as another entity",
    "sandbox.reset": "had the sandbox emptied",
    "sandbox.reset_requested": "asked for the sandbox to be emptied",
    "scope.accepted": "accepted the scope",
    "scope.proposed": "proposed a scope",
    "sign_off.given": "signed off for going live",
    "sign_off.withdrawn": "withdrew the sign-off",
    "statusmapping.changed": "changed the mapping {}",
    "statusmapping.created": "mapped {}",
    "statusmapping.deleted": "removed the mapping {}",
    "step.override_withdrawn": "withdrew the override of {}",
    "step.overridden": "overrode {}",
    "user.changed": "changed the person {}",
    "user.created": "created the person {}",
    "user.second_factor_removed": "removed the second factor of {}",
    "viewing.started": "began to view {} as somebody else",
    "viewing.stopped": "stopped viewing {} as somebody else",
}


def phrase(action: str, target: str) -> str:
    """`rotated the secret of the client cl_7`; an action that has no phrase shows its name."""
    words = PHRASES.get(action)
    if words is None:
        return f"{action} {target}".rstrip()
    return words.replace("{}", target or "–")
