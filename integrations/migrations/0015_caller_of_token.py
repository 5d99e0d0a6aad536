"""Who calls: the look-up of a token as a function, so that a connection plans the join of six tables once.

Planning it takes ten times as long as running it, and it is run for every call to the API.
"""

from __future__ import annotations

from django.db import migrations

CREATE = """
CREATE FUNCTION integrations_caller(checksum text)
RETURNS TABLE (token_id bigint, expires timestamptz, scope text, client_id bigint, identifier text, name text,
               ip_ranges text, usable boolean, environment track360_environment, partner track360_partner)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT token.id, token.expires, token.scope, client.id, client.client_id::text, client.name::text,
           client.allowed_ip_ranges::text,
           client.revoked_at IS NULL AND secret.revoked_at IS NULL AND partner.status = 'active',
           environment, partner
      FROM oauth2_provider_accesstoken token
      JOIN integrations_tokenorigin origin ON origin.token_id = token.id
      JOIN integrations_clientsecret secret ON secret.id = origin.secret_id
      JOIN integrations_client client ON client.id = secret.client_id
      JOIN track360_environment environment ON environment.id = client.environment_id
      JOIN track360_partner partner ON partner.id = environment.partner_id
     WHERE token.token_checksum = checksum;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0014_runs_do_not_fail"),
        ("oauth2_provider", "0001_initial"),
        ("track360", "0007_audit_by_time"),
    ]
    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION integrations_caller(text)")]
