"""The tables of the shop."""

import datetime

from django.db import models


class Customer(models.Model):
    email = models.CharField(max_length=100, unique=True)
    details = models.JSONField(null=True)
    seen = models.DateTimeField(null=True)
    photo = models.BinaryField(default=b"")
    token = models.UUIDField(null=True)
    active = models.BooleanField(default=True)


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    total = models.DecimalField(max_digits=12, decimal_places=2)
    span = models.DurationField(default=datetime.timedelta(days=1, microseconds=5))
