"""How the admin looks, and what its menu leads to."""

from __future__ import annotations

from django.templatetags.static import static
from django.urls import reverse_lazy

# The portal's blue (static/css/tokens.css) in the steps that unfold asks for: lightness and chroma.
ADMIN_BLUES = {
    50: "97% 0.016",
    100: "93% 0.035",
    200: "88% 0.06",
    300: "78% 0.115",
    400: "68% 0.155",
    500: "60% 0.18",
    600: "53% 0.2",
    700: "47% 0.19",
    800: "40% 0.14",
    900: "33% 0.1",
    950: "25.5% 0.05",
}
UNFOLD = {
    "SITE_TITLE": "Track360",
    "SITE_HEADER": "Track360",
    "SITE_SUBHEADER": "Integrations team",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("icons/favicon.svg"),
    "STYLES": [lambda request: static("css/admin.css")],
    "COLORS": {"primary": {str(step): f"oklch({shade} 262)" for step, shade in ADMIN_BLUES.items()}},
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "title": title,
                "separator": True,
                "items": [
                    {"title": label, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}
                    for label, icon, model in pages
                ],
            }
            for title, pages in {
                "Partners": [
                    ("Partners", "storefront", "track360_partner"),
                    ("Clients", "key", "integrations_client"),
                    ("Affiliates", "handshake", "entities_affiliate"),
                    ("Status mappings", "swap_horiz", "entities_statusmapping"),
                ],
                "Records": [
                    ("Customers", "person", "entities_customer"),
                    ("Transactions", "payments", "entities_transaction"),
                    ("Activity", "casino", "entities_activity"),
                ],
                "What arrived": [
                    ("Requests", "list_alt", "integrations_apirequest"),
                    ("Batches", "inventory_2", "entities_batch"),
                    ("Quarantine", "block", "entities_quarantinedrecord"),
                    ("Seen statuses", "visibility", "entities_seenstatus"),
                ],
                "What we fetch": [
                    ("Connections", "lan", "integrations_connection"),
                    ("Feeds", "sync", "integrations_feed"),
                    ("Runs", "play_circle", "integrations_syncrun"),
                    ("Day totals", "balance", "integrations_daytotals"),
                ],
                "Team": [
                    ("People", "group", "track360_user"),
                    ("FX rates", "currency_exchange", "entities_fxrate"),
                    ("Audit", "history", "track360_auditevent"),
                ],
            }.items()
        ],
    },
}
