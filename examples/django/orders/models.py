"""An order."""

from django.db import models


class Order(models.Model):
    """user: the id under which the user's devices are registered with Pushwoosh."""

    user = models.CharField(max_length=100)
    items = models.PositiveIntegerField(default=1)
    shipped = models.BooleanField(default=False)
