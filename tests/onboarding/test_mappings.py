"""Saving, taking back and guessing what status values stand for."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from entities.models import CANONICAL_VALUES, MappingChange, StatusField, StatusMapping
from entities.status_values import canonical_values
from onboarding.mapping_guesses import guess
from onboarding.mappings import (
    NO_CHANGE_YET,
    Conflict,
    Wish,
    add_canonical_value,
    newest_change,
    save_mappings,
    standing_at,
    undo_change,
)
from tests.factories import PartnerFactory, StatusMappingFactory, UserFactory
from track360.audit import Actor
from track360.models import AuditEvent, Partner

KYC, STATUS = "kyc_status_id", "status"


@pytest.fixture
def partner(db: None) -> Partner:
    return PartnerFactory()


@pytest.fixture
def actor(db: None) -> Actor:
    return Actor(user=UserFactory(name="Ada"), ip="192.0.2.7")


def standing(partner: Partner) -> dict[tuple[str, str], str | None]:
    rows = StatusMapping.objects.filter(partner=partner)
    return {(row.field, row.raw_value): row.canonical_value for row in rows}


def test_a_save_is_one_change_with_the_values_before_and_an_audit_row(partner: Partner, actor: Actor) -> None:
    StatusMappingFactory(partner=partner, raw_value="3", canonical_value="pending")

    change = save_mappings(
        partner, [Wish(KYC, "3", "approved"), Wish(KYC, "4"), Wish(STATUS, "OK", "approved")], actor=actor
    )

    assert standing(partner) == {(KYC, "3"): "approved", (KYC, "4"): None, (STATUS, "OK"): "approved"}
    lines = {line.raw_value: (line.before_declared, line.before_value) for line in change.lines.all()}
    assert lines == {"3": (True, "pending"), "4": (False, None), "OK": (False, None)}
    event = AuditEvent.objects.get(action="mapping.changed")
    assert (event.actor, event.ip, event.partner, event.detail["count"]) == (actor.user, "192.0.2.7", partner, 3)


def test_what_stands_already_is_no_change(partner: Partner, actor: Actor) -> None:
    StatusMappingFactory(partner=partner, raw_value="3", canonical_value="approved")

    assert save_mappings(partner, [Wish(KYC, "3", "approved"), Wish(KYC, "9", remove=True)], actor=actor) is None
    assert not MappingChange.objects.exists()


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (Wish(KYC, "3", "verified"), "canonical_value"),
        (Wish(KYC, "3", "declined"), "canonical_value"),
        (Wish("currency", "EUR", "approved"), "field"),
        (Wish(KYC, "", "approved"), "value"),
        (Wish(KYC, "a\x00b", "approved"), "value"),
        (Wish(KYC, "x" * 501, "approved"), "value"),
    ],
)
def test_one_bad_wish_and_nothing_is_saved(wish: Wish, code: str, partner: Partner, actor: Actor) -> None:
    with pytest.raises(ValidationError) as refusal:
        save_mappings(partner, [Wish(KYC, "1", "approved"), wish], actor=actor)

    (error,) = refusal.value.error_list
    assert (error.code, error.params) == (code, {"field": wish.field, "value": wish.raw_value})
    assert standing(partner) == {}


def test_the_second_of_two_who_disagree_is_told_what_the_first_saved(partner: Partner, actor: Actor) -> None:
    base = newest_change(partner)
    save_mappings(partner, [Wish(KYC, "3", "approved")], actor=actor, base=base)

    with pytest.raises(Conflict, match="Ada changed “3” in the meantime") as refusal:
        save_mappings(partner, [Wish(KYC, "3", "pending"), Wish(KYC, "4", "rejected")], actor=actor, base=base)

    assert [line.after_value for line in refusal.value.lines] == ["approved"]
    assert standing(partner) == {(KYC, "3"): "approved"}


def test_two_who_change_different_values_or_agree_do_not_meet(partner: Partner, actor: Actor) -> None:
    save_mappings(partner, [Wish(KYC, "3", "approved")], actor=actor, base=NO_CHANGE_YET)

    assert save_mappings(partner, [Wish(KYC, "4", "pending")], actor=actor, base=NO_CHANGE_YET)
    assert save_mappings(partner, [Wish(KYC, "3", "approved")], actor=actor, base=NO_CHANGE_YET) is None


def test_one_value_with_two_meanings_in_one_save_is_refused(partner: Partner, actor: Actor) -> None:
    with pytest.raises(ValidationError, match="“100%” stands here twice"):
        save_mappings(partner, [Wish(KYC, "100%", "approved"), Wish(KYC, "100%", "pending")], actor=actor)
    assert save_mappings(partner, [Wish(KYC, "3", "approved")] * 2, actor=actor).lines.count() == 1


def test_what_stood_when_a_page_was_made_is_known_afterwards(partner: Partner, actor: Actor) -> None:
    StatusMappingFactory(partner=partner, raw_value="1", canonical_value="pending")
    save_mappings(partner, [Wish(KYC, "2", "approved")], actor=actor)
    base, stood = newest_change(partner), standing(partner)
    save_mappings(partner, [Wish(KYC, "1", remove=True), Wish(KYC, "2", "expired"), Wish(KYC, "3")], actor=actor)
    save_mappings(partner, [Wish(KYC, "1", "rejected")], actor=actor)

    assert {key: value for key, (_, value) in standing_at(partner, base).items()} == stood
    assert {key: value for key, (_, value) in standing_at(partner, newest_change(partner)).items()} == standing(partner)


def test_another_partners_change_is_no_base(partner: Partner, actor: Actor) -> None:
    theirs = save_mappings(PartnerFactory(), [Wish(KYC, "3", "approved")], actor=actor)

    for base in (theirs.pk, uuid.uuid4()):
        with pytest.raises(ValidationError, match="no change of this mapping"):
            save_mappings(partner, [Wish(KYC, "3", "approved")], actor=actor, base=base)


def test_a_change_is_taken_back_once(partner: Partner, actor: Actor) -> None:
    StatusMappingFactory(partner=partner, raw_value="3", canonical_value="pending")
    change = save_mappings(partner, [Wish(KYC, "3", "approved"), Wish(KYC, "4", "rejected")], actor=actor)

    undone = undo_change(change, actor=actor)

    assert standing(partner) == {(KYC, "3"): "pending"}
    assert undone.undoes == change
    with pytest.raises(ValidationError, match="taken back already"):
        undo_change(change, actor=actor)
    undo_change(undone, actor=actor)
    assert standing(partner) == {(KYC, "3"): "approved", (KYC, "4"): "rejected"}


def test_a_change_that_a_later_one_built_on_is_not_taken_back(partner: Partner, actor: Actor) -> None:
    change = save_mappings(partner, [Wish(KYC, "3", "approved"), Wish(KYC, "4", "rejected")], actor=actor)
    save_mappings(partner, [Wish(KYC, "4", remove=True)], actor=actor)

    with pytest.raises(ValidationError, match="“4” was changed again since"):
        undo_change(change, actor=actor)
    assert standing(partner) == {(KYC, "3"): "approved"}


@pytest.mark.django_db(transaction=True)
def test_of_two_saves_at_once_one_wins_and_the_other_learns_of_it() -> None:
    partner, actor = PartnerFactory(), Actor(user=UserFactory())
    outcomes: list[object] = []

    def save(value: str) -> None:
        try:
            outcomes.append(save_mappings(partner, [Wish(KYC, "3", value)], actor=actor, base=NO_CHANGE_YET))
        except Conflict as conflict:
            outcomes.append(conflict)
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=[value]) for value in ("approved", "pending", "rejected")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Conflict", "MappingChange"]
    assert MappingChange.objects.count() == 1


def test_the_team_adds_a_canonical_value_and_nobody_else(partner: Partner, actor: Actor) -> None:
    with pytest.raises(ValidationError, match="Only a member"):
        add_canonical_value(KYC, "self_excluded", actor=actor)
    staff = Actor(user=UserFactory(is_staff=True))

    add_canonical_value(KYC, "self_excluded", actor=staff)

    assert canonical_values()[KYC] == (*CANONICAL_VALUES[StatusField.KYC_STATUS], "self_excluded")
    assert save_mappings(partner, [Wish(KYC, "SE", "self_excluded")], actor=actor)
    for field, value in [(KYC, "self_excluded"), (KYC, "Not Good"), (KYC, ""), ("currency", "eur"), (KYC, "x" * 65)]:
        with pytest.raises(ValidationError):
            add_canonical_value(field, value, actor=staff)


@pytest.mark.parametrize(
    ("field", "raw", "wanted"),
    [
        (KYC, "VERIFIED", "approved"),
        (KYC, "kyc_ok", "approved"),
        (KYC, "Not Started", "not_started"),
        (KYC, "notVerified", None),
        (KYC, "aproved", "approved"),
        (KYC, "3", None),
        ("sales_status_id", "FTD", "converted"),
        ("sales_status_id", "hot lead", "qualified"),
        (STATUS, "Charge-back", "reversed"),
        (STATUS, "chargeback", "reversed"),
        (STATUS, "zzz", None),
    ],
)
def test_a_guess_goes_by_the_words_of_the_value(field: str, raw: str, wanted: str | None) -> None:
    assert guess(field, raw, CANONICAL_VALUES[StatusField(field)]) == wanted
