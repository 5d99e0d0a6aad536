"""The pages of what is fetched: what runs, what will run, what ran, and one run with its log."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST

from entities.addresses import page_addresses, portal_url
from integrations import run_selectors, runs
from integrations.models import Feed, SyncRun
from integrations.pull import schedule
from integrations.run_forms import RunFilterForm
from integrations.run_words import (
    WHAT_TO_DO,
    cursors_of,
    schedule_of,
    sentence_for,
    sentence_of_list,
)
from integrations.tasks import ring
from track360.access import MANAGERS, audit_actor, portal_view
from track360.audit import Actor
from track360.htmx import PortalRequest, render_page

State = SyncRun.State


@portal_view()
def sync_run_list(request: PortalRequest) -> HttpResponse:
    """Two fragments: what is under way, which asks again while something is, and the list."""
    form = RunFilterForm(request.GET)
    page = run_selectors.newest_runs(
        request.environment,
        filters=form.cleaned_data if form.is_valid() else None,
        before=request.GET.get("before", ""),
        after=request.GET.get("after", ""),
    )
    feeds = run_selectors.feeds_with_last_runs(request.environment)
    open_runs = run_selectors.open_runs(request.environment)
    now = timezone.now()
    mark = " ".join(sorted(f"{run.pk}{run.state}" for run in open_runs))
    context = {
        "form": form,
        "state": sentence_of_list((feed for feed, _ in feeds), open_runs),
        "feeds": [(feed, schedule_of(feed), last, run_selectors.may_fetch(feed)) for feed, last in feeds],
        "open_runs": [(run, sentence_for(run, now=now)) for run in open_runs],
        "is_live": any(_moves(run) for run in open_runs) or any(_begins(feed, now) for feed, _ in feeds),
        "mark": mark,
        "now": now,
        "rows": [(run, cursors_of(run)) for run in page.rows],
        "clear_url": request.path if form.is_filtered else "",
        "needs_somebody": _needs_somebody(open_runs),
        "may_run": request.role in MANAGERS,
        **page_addresses(request, page),
    }
    asks_what_runs = request.htmx.target == "under-way"
    response = render_page(
        request, "integrations/run_list.html", context, fragment="under-way" if asks_what_runs else "run-table"
    )
    if asks_what_runs and request.GET.get("mark", mark) != mark:
        response["HX-Trigger"] = "runs-changed"  # the list is another now, and asks for itself
    return response


def _moves(run: SyncRun) -> bool:
    """Whether to ask again: it is being fetched, or will be any moment."""
    waits = run.state == State.DUE and run.due_at <= timezone.now() and run.feed.is_on and run.feed.connection.is_on
    return run.state == State.RUNNING or waits


def _begins(feed: Feed, now: dt.datetime) -> bool:
    """Its time has come, and the scheduler will plan its run within seconds."""
    is_on = feed.is_on and feed.connection.is_on and feed.paused_at is None
    return is_on and feed.next_run_at is not None and feed.next_run_at <= now


def _needs_somebody(open_runs: list[SyncRun]) -> SyncRun | None:
    """The first run that went no further and took its feed with it."""
    return next((run for run in open_runs if run.state == State.PAUSED and run.feed.paused_at is not None), None)


@portal_view()
def sync_run_detail(request: PortalRequest, run_id: uuid.UUID) -> HttpResponse:
    run = _found(request, run_id)
    page = run_selectors.newest_events(run, before=request.GET.get("before", ""), after=request.GET.get("after", ""))
    now = timezone.now()
    title = f"{run.get_entity_display()}, {run.get_kind_display().lower()}"
    context = {
        "run": run,
        "title": title,
        "state": sentence_for(run, now=now),
        "rate": run_selectors.rows_a_second(run),
        "ends_at": run_selectors.estimated_end(run, now=now),
        "what_to_do": WHAT_TO_DO.get(SyncRun.Party(run.problem_party)) if run.problem_party else "",
        "feed_is_paused": run.feed.paused_at is not None,
        "events": page.rows,
        "is_live": _moves(run) and page.is_first,
        "may_act": request.role in MANAGERS,
        "may_fetch": not run.is_open and run_selectors.may_fetch(run.feed),
        "breadcrumbs": [("Runs", portal_url(request, "sync-run-list")), (title, None)],
        **page_addresses(request, page),
    }
    return render_page(request, "integrations/run_detail.html", context, fragment="run")


@portal_view(roles=MANAGERS)
@require_POST
def sync_run_now(request: PortalRequest, feed_id: uuid.UUID) -> HttpResponse:
    feed = get_object_or_404(run_selectors.feeds_for(request.environment), pk=feed_id)
    try:
        run = schedule.request_run(feed, actor=audit_actor(request))
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
        return redirect(portal_url(request, "sync-run-list"))
    ring(run)
    messages.success(request, f"{feed.get_entity_display()}: asked for. It begins in a few seconds.")
    return redirect(portal_url(request, "sync-run-detail", run.pk))


def _acting(action: Callable[..., SyncRun], said: str) -> Callable[..., HttpResponse]:
    """A button: do it, say so or why not, and back to the run."""

    @portal_view(roles=MANAGERS)
    @require_POST
    def act(request: PortalRequest, run_id: uuid.UUID) -> HttpResponse:
        run = _found(request, run_id)
        actor: Actor = audit_actor(request)
        try:
            run = action(run, actor=actor)
        except ValidationError as refusal:
            messages.error(request, " ".join(refusal.messages))
        else:
            messages.success(request, said)
            if run.state == State.DUE:
                ring(run)
        return redirect(portal_url(request, "sync-run-detail", run.pk))

    return act


def _found(request: PortalRequest, run_id: uuid.UUID) -> SyncRun:
    run = run_selectors.run_for(request.environment, run_id)
    if run is None:
        raise Http404("No such run.")
    return run


sync_run_stop = _acting(schedule.stop_run, "The run is stopped. What it had stored stays.")
sync_run_pause = _acting(schedule.pause_run, "The run is paused. It goes on from where it was once it is resumed.")
sync_run_resume = _acting(runs.go_on, "It goes on from where it was.")

urlpatterns: list[URLPattern] = [
    path("", sync_run_list, name="sync-run-list"),
    path("feeds/<uuid:feed_id>/now/", sync_run_now, name="sync-run-now"),
    path("<uuid:run_id>/", sync_run_detail, name="sync-run-detail"),
    path("<uuid:run_id>/stop/", sync_run_stop, name="sync-run-stop"),
    path("<uuid:run_id>/pause/", sync_run_pause, name="sync-run-pause"),
    path("<uuid:run_id>/resume/", sync_run_resume, name="sync-run-resume"),
]
