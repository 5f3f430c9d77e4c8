"""Users, who is in the course, and the gradebook."""

# mypy: disable-error-code="import-untyped", disallow-subclassing-any=False

import uuid

from django.contrib.auth import get_user_model
from django.db import models


class Profile(models.Model):
    """Who a user is, in the course and to tools."""

    user = models.OneToOneField(get_user_model(), models.CASCADE, related_name="profile")
    name = models.CharField(max_length=255, blank=True)
    external_user_id = models.UUIDField(default=uuid.uuid4, unique=True)
    roles = models.JSONField(default=list)
    """In the course; nobody without one is in it."""


class Grade(models.Model):
    """The points of a user for a component of the course."""

    block = models.CharField(max_length=255)
    user = models.ForeignKey(get_user_model(), models.CASCADE)
    earned = models.FloatField(null=True)
    possible = models.FloatField(null=True)

    class Meta:
        unique_together = (("block", "user"),)
