from django.apps import AppConfig


class Track360Config(AppConfig):
    name = "track360"

    def ready(self) -> None:
        from track360 import sign_in_audit  # noqa: F401  connects to the signals of the libraries
        from track360.celery import app

        # Also for the threads of the web process: else their doorbells go to Celery's own app, with another broker.
        app.set_default()
