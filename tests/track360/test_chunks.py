from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import UserFactory
from track360.chunks import in_chunks
from track360.models import User


@pytest.mark.django_db
def test_rows_come_in_their_order_a_few_at_a_time_and_without_who_has_gone_meanwhile() -> None:
    for name in "dbeac":
        UserFactory(email=f"{name}@example.com")
    users = User.objects.order_by("-email")

    with CaptureQueriesContext(connection) as queries:
        read = in_chunks(users, 2)
        found = [next(read).email[0]]
        User.objects.get(email="b@example.com").delete()
        found += [user.email[0] for user in read]

    assert found == ["e", "d", "c", "a"]
    assert len([query for query in queries if query["sql"].endswith('ORDER BY "track360_user"."email" DESC')]) == 1 + 3
