"""How the admin writes dates and times: in full and in UTC, as logs and answers do, not in twelve hours."""

from __future__ import annotations

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"
