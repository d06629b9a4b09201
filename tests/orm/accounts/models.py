"""The users of an application on Django."""

from django.db import models


class User(models.Model):
    email = models.CharField(max_length=80, unique=True)
    name = models.CharField(max_length=80)
    logins = models.IntegerField(default=1)

    class Meta:
        app_label = "accounts"
        db_table = "users"
