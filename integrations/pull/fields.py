from integrations.models import Feed


def supplied_fields(feed: Feed) -> frozenset[str] | None:
    return frozenset(feed.fields) or None
