"""What gunicorn serves."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application
from django.urls import reverse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "track360.settings")
application = get_wsgi_application()
# All addresses with their views, before the workers are forked: else the first caller of each waits most of a second.
reverse("home")
