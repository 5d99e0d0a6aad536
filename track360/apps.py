from django.apps import AppConfig


class Track360Config(AppConfig):
    name = "track360"
