"""Django REST framework: serializers with many=True, then bulk_create."""

from __future__ import annotations

from typing import Any

import orjson
import push_model
from django.urls import path
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class OrjsonParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return orjson.loads(stream.read())
        except orjson.JSONDecodeError as error:
            raise ParseError(str(error)) from error


class TransactionList(serializers.ListSerializer):
    def create(self, validated_data: list[dict[str, Any]]) -> int:
        return push_model.upsert(validated_data)


class TransactionSerializer(serializers.Serializer):
    transaction_id = serializers.CharField()
    customer_id = serializers.CharField()
    transaction_type = serializers.CharField()
    transaction_subtype = serializers.CharField(required=False, allow_null=True)
    amount_currency = serializers.DecimalField(max_digits=18, decimal_places=2)
    amount_usd = serializers.DecimalField(max_digits=18, decimal_places=2, required=False, allow_null=True)
    currency = serializers.CharField()
    transaction_date = serializers.DateTimeField()
    status = serializers.CharField()
    note = serializers.CharField(required=False, allow_null=True)

    class Meta:
        list_serializer_class = TransactionList


class Store(APIView):
    parser_classes = (OrjsonParser,)
    renderer_classes = (JSONRenderer,)

    def stored(self, records: Any) -> Response:
        serializer = TransactionSerializer(data=records, many=True, max_length=1000)
        serializer.is_valid(raise_exception=True)
        return Response({"stored": serializer.save()})


class StoreBatch(Store):
    def post(self, request: Request) -> Response:
        return self.stored(request.data)


class StoreOne(Store):
    def post(self, request: Request) -> Response:
        return self.stored([request.data])


urlpatterns = [path("transactions/bulk", StoreBatch.as_view()), path("transactions", StoreOne.as_view())]
