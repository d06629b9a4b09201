"""The application's name."""

from django.apps import AppConfig


class Accounts(AppConfig):
    name = "tests.orm.accounts"
    label = "accounts"
