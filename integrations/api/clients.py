"""`/api/v1/clients`: the clients of the caller's environment. A secret is in the answer that made it alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from integrations import clients
from integrations.api.answers import json_answer
from integrations.api.log_views import envelope
from integrations.api.manage import Json, ManageView, Operation, no_content, refused_by
from integrations.api.parameters import flag
from integrations.api.shapes import COUNT, MOMENT, TEXT, data, or_null, record
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.models import Client, ClientSecret
from integrations.models.client import SCOPES
from integrations.selectors import page_by_id
from track360.problems import Problem

SECRET = record(
    {
        "id": {"type": "string", "format": "uuid"},
        "last_four": TEXT,
        "created_at": MOMENT,
        "expires_at": or_null(MOMENT),
        "revoked_at": or_null(MOMENT),
        "last_used_at": or_null(MOMENT),
    }
)
CLIENT = record(
    {
        "client_id": TEXT,
        "name": TEXT,
        "scope": TEXT,
        "ip_ranges": {"type": "array", "items": TEXT},
        "created_at": MOMENT,
        "revoked_at": or_null(MOMENT),
        "secrets": {"type": "array", "items": SECRET},
    }
)
NEW_SECRET = data(record({"client": CLIENT, "client_secret": TEXT}))
NEW_CLIENT: Json = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "scopes": {
            "type": "array",
            "items": {"type": "string", "enum": list(SCOPES)},
            "minItems": 1,
            "maxItems": len(SCOPES),
            "default": list(clients.DEFAULT_SCOPES),
        },
        "ip_ranges": {"type": "array", "items": {"type": "string", "maxLength": 50}, "maxItems": 100},
    },
    "additionalProperties": False,
}
OVERLAP: Json = {
    "type": "object",
    "properties": {
        "overlap_seconds": COUNT
        | {
            "maximum": int(clients.LONGEST_OVERLAP.total_seconds()),
            "default": int(clients.DEFAULT_OVERLAP.total_seconds()),
            "description": "How long the current secret goes on fetching tokens.",
        }
    },
    "additionalProperties": False,
}


class ClientList(ManageView):
    parameters = {"GET": PAGING | {"revoked": flag("1 lists the revoked clients instead.")}}
    operations = {
        "GET": Operation("List the clients of this environment", {200: ("A page.", envelope_shape(CLIENT))}),
        "POST": Operation("Create a client", {201: ("The client, and its secret, once.", NEW_SECRET)}, body=NEW_CLIENT),
    }

    def get(self, request: Request) -> HttpResponse:
        environment = self.environment(request)
        place = paging(self.query)
        revoked = self.query.get("revoked", False)
        rows = Client.objects.filter(environment=environment, revoked_at__isnull=not revoked)
        found = page_by_id(rows.prefetch_related("secrets"), salt=f"clients {environment.pk} {revoked}", **place)
        return json_answer(envelope(found, [rendered(row) for row in found.rows]))

    def post(self, request: Request) -> HttpResponse:
        body = self.body(request)
        try:
            new = clients.create_client(
                self.environment(request),
                name=body["name"],
                scopes=body.get("scopes", clients.DEFAULT_SCOPES),
                ip_ranges=body.get("ip_ranges", ()),
                actor=self.actor(request),
            )
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return _with_secret(new, status=201)


class OneClient(ManageView):
    """What the addresses of one client share."""

    def client(self, request: Request, client_id: str) -> Client:
        found = Client.objects.filter(environment=self.environment(request), client_id=client_id.replace("\x00", ""))
        client = found.prefetch_related("secrets").first()
        if client is None:
            raise Problem("not_found", "No such client in this environment.")
        return client


class ClientDetail(OneClient):
    operations = {
        "GET": Operation("One client", {200: ("The client.", data(CLIENT))}),
        "DELETE": Operation(
            "Revoke a client, its secrets and its tokens", {204: ("Revoked; its next call is refused.", None)}
        ),
    }

    def get(self, request: Request, *, client_id: str) -> HttpResponse:
        return json_answer({"data": rendered(self.client(request, client_id))})

    def delete(self, request: Request, *, client_id: str) -> HttpResponse:
        clients.revoke_client(self.client(request, client_id), actor=self.actor(request))
        return no_content()


class ClientRotate(OneClient):
    operations = {
        "POST": Operation(
            "Make a second secret, and give the first one an end",
            {201: ("The client, and its new secret, once.", NEW_SECRET)},
            body=OVERLAP,
        )
    }

    def post(self, request: Request, *, client_id: str) -> HttpResponse:
        client = self.client(request, client_id)
        seconds = self.body(request).get("overlap_seconds", clients.DEFAULT_OVERLAP.total_seconds())
        try:
            new = clients.rotate_secret(client, overlap=timedelta(seconds=int(seconds)), actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return _with_secret(new, status=201)


class SecretDetail(OneClient):
    operations = {
        "DELETE": Operation(
            "Revoke a secret and the tokens it fetched", {204: ("Revoked; its tokens are refused.", None)}
        )
    }

    def delete(self, request: Request, *, client_id: str, secret_id: Any) -> HttpResponse:
        secret = ClientSecret.objects.filter(client=self.client(request, client_id), pk=secret_id).first()
        if secret is None:
            raise Problem("not_found", "This client has no such secret.")
        clients.revoke_secret(secret, actor=self.actor(request))
        return no_content()


def _with_secret(new: clients.NewSecret, *, status: int) -> HttpResponse:
    client = Client.objects.prefetch_related("secrets").get(pk=new.client.pk)
    return json_answer({"data": {"client": rendered(client), "client_secret": new.clear}}, status=status)


def rendered(client: Client) -> Json:
    secrets = sorted(client.secrets.all(), key=lambda secret: secret.created_at, reverse=True)
    return {
        "client_id": client.client_id,
        "name": client.name,
        "scope": client.allowed_scopes,
        "ip_ranges": client.allowed_ip_ranges,
        "created_at": client.created,
        "revoked_at": client.revoked_at,
        "secrets": [{name: getattr(secret, name) for name in SECRET["properties"]} for secret in secrets],
    }


urlpatterns: list[URLPattern] = [
    path("api/v1/clients", ClientList.as_view()),
    path("api/v1/clients/<str:client_id>", ClientDetail.as_view()),
    path("api/v1/clients/<str:client_id>/rotate", ClientRotate.as_view()),
    path("api/v1/clients/<str:client_id>/secrets/<uuid:secret_id>", SecretDetail.as_view()),
]
