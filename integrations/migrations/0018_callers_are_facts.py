"""What ends or changes a caller is seen by whoever remembers it: a token, its secret, its client, its partner."""

from __future__ import annotations

from django.db import migrations

# By the clock, so that what was rolled back never comes again with another content.
CHANGED = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE track360_environment SET facts_changed_at = clock_timestamp() WHERE {whose};
    RETURN NULL;
END $$;
CREATE TRIGGER {name} AFTER {event} FOR EACH {each} EXECUTE FUNCTION {name}()
"""
OF_SECRETS = """id IN (
        SELECT client.environment_id FROM integrations_clientsecret secret
          JOIN integrations_client client ON client.id = secret.client_id WHERE secret.id IN ({}))"""

TRIGGERS = {
    # Of the tokens that go, those that have expired were valid to nobody. A token's own row may be gone before.
    "integrations_tokenorigin": (
        OF_SECRETS.format(
            "SELECT gone.secret_id FROM gone LEFT JOIN oauth2_provider_accesstoken token ON token.id = gone.token_id"
            " WHERE token.expires IS NULL OR token.expires > clock_timestamp()"
        ),
        "DELETE ON integrations_tokenorigin REFERENCING OLD TABLE AS gone",
        "STATEMENT",
    ),
    "oauth2_provider_accesstoken": (
        OF_SECRETS.format("SELECT secret_id FROM integrations_tokenorigin WHERE token_id = NEW.id"),
        "UPDATE ON oauth2_provider_accesstoken",
        "ROW",
    ),
    "integrations_clientsecret": (
        "id IN (SELECT environment_id FROM integrations_client WHERE id = OLD.client_id)",
        "UPDATE OF revoked_at OR DELETE ON integrations_clientsecret",
        "ROW",
    ),
    "integrations_client": (
        "id IN (OLD.environment_id, NEW.environment_id)",
        "UPDATE OR DELETE ON integrations_client",
        "ROW",
    ),
    "track360_partner": ("partner_id = NEW.id", "UPDATE OF status ON track360_partner", "ROW"),
}


def _trigger(table: str, whose: str, event: str, each: str) -> migrations.RunSQL:
    name = f"{table}_changes_callers"
    return migrations.RunSQL(
        CHANGED.format(name=name, whose=whose, event=event, each=each),
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}()",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0017_caller_without_partner"),
        ("track360", "0010_facts_of_callers"),
        ("oauth2_provider", "0001_initial"),
    ]
    operations = [_trigger(table, *values) for table, values in TRIGGERS.items()]
