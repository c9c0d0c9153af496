"""What Django keeps: orders, and the clients and tokens of OAuth2."""

from __future__ import annotations

import hmac
import time

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from django.contrib.auth.models import User
from django.db import models


class Order(models.Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.TextField()
    price = models.DecimalField(max_digits=15, decimal_places=2, null=True)
    serial = models.BigIntegerField(null=True)
    placed_at = models.DateTimeField()
    details = models.JSONField(null=True)

    class Meta:
        db_table = "orders"
        ordering = ("id",)


class Client(models.Model, ClientMixin):
    """Takes its secret in the one way that it was made for."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    client_id = models.CharField(max_length=48, unique=True)
    client_secret = models.CharField(max_length=120)
    auth_method = models.CharField(max_length=48)

    class Meta:
        db_table = "clients"

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return "orders" if "orders" in scope.split() else ""

    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(self.client_secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return endpoint != "token" or method == self.auth_method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("client_credentials", "refresh_token")


class Token(models.Model, TokenMixin):
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    client_id = models.CharField(max_length=48)
    token_type = models.CharField(max_length=40)
    access_token = models.CharField(max_length=255, unique=True)
    refresh_token = models.CharField(max_length=255, null=True)
    scope = models.TextField(default="")
    issued_at = models.FloatField(default=time.time)
    expires_in = models.IntegerField()
    revoked = models.BooleanField(default=False)

    class Meta:
        db_table = "tokens"

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return self.expires_in

    def is_expired(self) -> bool:
        return self.issued_at + self.expires_in < time.time()

    def is_revoked(self) -> bool:
        return self.revoked

    def get_user(self) -> User:
        return self.user

    def get_client(self) -> Client:
        return Client.objects.get(client_id=self.client_id)
