"""The mapping pages: what stands, what a save would change, and two people at once."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from entities.models import CanonicalValue, MappingChange, StatusMapping
from entities.pipeline import ingest
from onboarding.mappings import Wish, save_mappings
from tests.factories import MembershipFactory, PartnerFactory, UserFactory
from tests.payloads import sample
from track360.audit import Actor
from track360.models import Environment, Partner

LIST = "/p/aurora-casino/sandbox/mappings/"
HISTORY = f"{LIST}history/"


@pytest.fixture(autouse=True)
def records(sandbox: Environment) -> None:
    """Three customers: two of a kyc status that looks like ours, one of a number."""
    for number, kyc in enumerate(["VERIFIED", "VERIFIED", "7"]):
        record = sample("customers", customer_id=f"c{number}", kyc_status_id=kyc, sales_status_id=None)
        assert ingest(sandbox, "customers", record).stored


def text_of(answer) -> str:
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def base_of(browser: Client) -> str:
    return re.search(r'name="base" value="([^"]+)"', text_of(browser.get(LIST)))[1]


def mapping(partner: Partner) -> dict[str, str | None]:
    return dict(StatusMapping.objects.filter(partner=partner).values_list("raw_value", "canonical_value"))


def test_the_page_shows_each_value_with_its_records_and_a_guess(developer: Client) -> None:
    text = text_of(developer.get(LIST))

    assert "2 KYC status values without a meaning. Next: choose what they stand for." in text
    assert 'name="to:kyc_status_id:VERIFIED"' in text
    assert re.search(r"VERIFIED stands for.*?<option selected>approved</option>", text)
    assert text.count("Suggested") == 1
    assert re.search(
        r'<td data-kind="number">2</td> <td><a class="mono" href="/p/aurora-casino/sandbox/customers/', text
    )


def test_a_review_says_how_many_records_change_and_saves_nothing(developer: Client, partner: Partner) -> None:
    answer = developer.post(
        LIST, {"step": "preview", "base": base_of(developer), "to:kyc_status_id:VERIFIED": "approved"}
    )

    text = text_of(answer)
    assert "1 value would change. Nothing is saved yet." in text
    assert "2 customers" in text
    assert mapping(partner) == {}


def test_what_was_reviewed_is_saved_and_taken_back_with_one_click(developer: Client, partner: Partner) -> None:
    form = {
        "step": "save",
        "base": base_of(developer),
        "to:kyc_status_id:VERIFIED": "approved",
        "to:kyc_status_id:7": "",
    }

    assert developer.post(LIST, form, follow=True).redirect_chain == [(LIST, 302)]

    assert mapping(partner) == {"VERIFIED": "approved"}
    change = MappingChange.objects.get()
    assert "Take it back" in text_of(developer.get(HISTORY))
    developer.post(f"{HISTORY}{change.pk}/undo/")
    assert mapping(partner) == {}
    assert "Taken back" in text_of(developer.get(HISTORY))


def test_a_value_that_never_came_is_declared_and_removed_again(developer: Client, partner: Partner) -> None:
    new = {"new_field": "status", "new_value": "SETTLED", "new_meaning": "approved"}
    preview = developer.post(LIST, {"step": "preview", "base": base_of(developer)} | new)
    assert 'name="to:status:SETTLED" value="approved"' in text_of(preview)
    developer.post(LIST, {"step": "save", "base": base_of(developer), "to:status:SETTLED": "approved"})
    assert mapping(partner) == {"SETTLED": "approved"}

    assert "remove this value" in text_of(developer.get(LIST))
    developer.post(LIST, {"step": "save", "base": base_of(developer), "to:status:SETTLED": "-"})

    assert mapping(partner) == {}


def test_of_two_people_the_second_sees_the_others_change_and_keeps_what_he_chose(
    developer: Client, partner: Partner
) -> None:
    base = base_of(developer)
    save_mappings(partner, [Wish("kyc_status_id", "7", "rejected")], actor=Actor(user=UserFactory(name="Grace Hopper")))

    text = text_of(
        developer.post(
            LIST,
            {"step": "save", "base": base, "to:kyc_status_id:7": "pending", "to:kyc_status_id:VERIFIED": "expired"},
        )
    )

    assert "Grace Hopper changed “7” in the meantime. Nothing was saved" in text
    assert "stands for rejected now" in text
    assert re.search(r"7 stands for.*?<option selected>pending</option>", text)
    assert re.search(r"VERIFIED stands for.*?<option selected>expired</option>", text)
    assert mapping(partner) == {"7": "rejected"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"to:kyc_status_id:7": "verified"}, "verified is no canonical value of kyc_status_id"),
        ({"to:currency:EUR": "approved"}, "There is no status field currency"),
        ({"to:kyc_status_id:a\x00b": "approved"}, "no NUL"),
        ({"to:100%d:EUR": "approved"}, "There is no status field 100%d"),
        ({"to:kyc_status_id:7": "%(field)d%"}, "%(field)d% is no canonical value"),
        ({"to:kyc_status_id:7": "approved", "base": "nonsense"}, "The page is out of date"),
        ({"to:kyc_status_id:7": "approved", "base": "7c0e1b1c-0000-4000-8000-000000000000"}, "Read the mapping again"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_saved(
    change: dict[str, str], sentence: str, developer: Client, partner: Partner
) -> None:
    for step in ("preview", "save"):
        answer = developer.post(LIST, {"base": base_of(developer), "step": step} | change)
        assert sentence in text_of(answer)
    assert mapping(partner) == {}


def controls(browser: Client) -> dict[str, str]:
    """The form as a browser sends it that nobody touched: each select with what it shows."""
    selects = re.findall(r'<select class="input" name="(to:[^"]+)".*?</select>', text_of(browser.get(LIST)))
    return dict.fromkeys(selects, "")


def test_what_another_changed_meanwhile_is_left_alone_where_nobody_touched_it(
    developer: Client, partner: Partner
) -> None:
    untouched = {"base": base_of(developer), **controls(developer)}
    save_mappings(partner, [Wish("kyc_status_id", "7", "rejected")], actor=Actor(user=UserFactory(name="Grace Hopper")))

    form = untouched | {"to:kyc_status_id:VERIFIED": "approved"}
    preview = text_of(developer.post(LIST, form | {"step": "preview"}))
    developer.post(LIST, form | {"step": "save"})

    assert "1 value would change" in preview
    assert mapping(partner) == {"7": "rejected", "VERIFIED": "approved"}


def test_a_value_declared_with_a_meaning_of_another_field_stays_in_the_form(
    developer: Client, partner: Partner
) -> None:
    new = {"new_field": "kyc_status_id", "new_value": "GONE", "new_meaning": "lost"}
    text = text_of(developer.post(LIST, {"step": "preview", "base": base_of(developer)} | new))

    assert re.search(r'name="to:kyc_status_id:GONE" aria-label="GONE stands for" aria-invalid="true"', text)
    assert text.count("lost is no canonical value of kyc_status_id") == 2  # in the summary and at its place
    assert "3 KYC status values" not in text


def test_from_the_review_one_goes_back_to_the_form_as_it_was(developer: Client, partner: Partner) -> None:
    form = {"base": base_of(developer), "to:kyc_status_id:7": "expired", "to:status:SETTLED": "approved"}
    text = text_of(developer.post(LIST, form | {"step": "edit"}))

    assert re.search(r"7 stands for.*?<option selected>expired</option>", text)
    assert re.search(r"SETTLED stands for.*?<option selected>approved</option>", text)
    assert mapping(partner) == {}


@pytest.mark.parametrize("raw", ["two\nlines", "a\r\nb", "100%41", 'q"u&o<te>', "с кириллицей", "a:b", "+ +"])
def test_a_value_of_any_characters_is_mapped_as_it_was_sent(
    raw: str, developer: Client, partner: Partner, sandbox: Environment
) -> None:
    ingest(sandbox, "customers", sample("customers", customer_id="odd", kyc_status_id=raw, sales_status_id=None))
    (name,) = set(controls(developer)) - {"to:kyc_status_id:VERIFIED", "to:kyc_status_id:7"}

    developer.post(LIST, {"base": base_of(developer), "step": "save", html.unescape(name): "approved"})

    assert mapping(partner) == {raw: "approved"}


def test_as_many_values_as_there_can_be_are_sent_in_one_form(developer: Client, partner: Partner) -> None:
    typed = {
        f"to:{field}:v{turn}": "" for field in ("status", "kyc_status_id", "sales_status_id") for turn in range(999)
    }

    answer = developer.post(LIST, {"base": base_of(developer), "step": "save"} | typed)

    assert answer.status_code == 302
    assert len(mapping(partner)) == 999


def test_nothing_to_change_is_said(developer: Client) -> None:
    answer = developer.post(
        LIST, {"step": "preview", "base": base_of(developer), "to:kyc_status_id:7": ""}, follow=True
    )
    assert "Nothing to save" in text_of(answer)


def test_a_viewer_reads_and_changes_nothing(viewer: Client, partner: Partner) -> None:
    assert "<select" not in text_of(viewer.get(LIST))
    assert viewer.post(LIST, {"step": "save", "to:kyc_status_id:7": "approved"}).status_code == 403
    change = save_mappings(partner, [Wish("kyc_status_id", "7", "rejected")], actor=Actor())
    assert viewer.post(f"{HISTORY}{change.pk}/undo/").status_code == 403


def test_another_partners_people_find_nothing(outsider: Client, partner: Partner, developer: Client) -> None:
    assert [outsider.get(page).status_code for page in (LIST, HISTORY)] == [404, 404]
    assert outsider.post(LIST, {}).status_code == 404
    theirs = save_mappings(PartnerFactory(), [Wish("kyc_status_id", "7", "rejected")], actor=Actor())
    assert developer.post(f"{HISTORY}{theirs.pk}/undo/").status_code == 404


def test_the_team_adds_a_canonical_value_and_a_developer_does_not(staff: Client, developer: Client) -> None:
    form = {"field": "kyc_status_id", "value": "self_excluded"}
    assert developer.post(f"{LIST}canonical/", form).status_code == 403
    staff.post(f"{LIST}canonical/", form)

    assert CanonicalValue.objects.get().value == "self_excluded"
    assert "<option>self_excluded</option>" in text_of(developer.get(LIST))
    assert "exists already" in text_of(staff.post(f"{LIST}canonical/", form, follow=True))


def test_the_history_leafs_back(developer: Client, partner: Partner) -> None:
    for number in range(52):
        save_mappings(partner, [Wish("kyc_status_id", f"v{number}", "approved")], actor=Actor())
    first = text_of(developer.get(HISTORY))
    older = re.search(r'href="([^"]+)" rel="next"', first)[1].replace("&amp;", "&")

    assert "v51" in first
    assert ">v0<" in text_of(developer.get(older))
    assert "v51" in text_of(developer.get(f"{HISTORY}?before=nonsense"))


def test_a_person_with_two_partners_sees_each_for_itself(sign_in, partner: Partner) -> None:
    user = MembershipFactory(partner=partner, role="owner").user
    other = MembershipFactory(user=user, partner=PartnerFactory(slug="borealis"), role="owner").partner
    browser = sign_in(user)

    assert "VERIFIED" in text_of(browser.get(LIST))
    assert "VERIFIED" not in text_of(browser.get(f"/p/{other.slug}/sandbox/mappings/"))
