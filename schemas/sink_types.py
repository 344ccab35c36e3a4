"""The sinks that settings can name, each with its own keys; what would let others in or speak for us is a secret."""

from __future__ import annotations

import base64
import re
from typing import Annotated, Final, Literal, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from schemas.setting_types import FROZEN, ExpectedError, SettingErrors, Text

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PORT_MAX: Final = 65_535
_ROUTING_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")
_HEADER_TEXT: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]+")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_WEBHOOK_MARK: Final = "whsec_"
_WEBHOOK_KEY_BYTES: Final = range(24, 65)

ItemT = TypeVar("ItemT")


def _host_of(url: str, *, schemes: frozenset[str]) -> str | None:
    """Return the host of a URL of one of these schemes, None where it is not one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    return host if parts.scheme in schemes else None


def _is_private_enough(url: str) -> bool:
    """Say whether what is sent to a URL stays unread on its way: https, or this very machine."""
    host = _host_of(url, schemes=frozenset({"https", "http"}))
    return bool(host) and (url.lower().startswith("https:") or host in _LOOPBACK)


def _https_secret(url: SecretStr) -> SecretStr:
    if not _is_private_enough(url.get_secret_value()):
        raise ExpectedError("an https URL (http only on the loopback host)")
    return url


def _https(url: str) -> str:
    if not _is_private_enough(url):
        raise ExpectedError("an https URL (http only on the loopback host)")
    return url


def _web(url: str) -> str:
    if not _host_of(url, schemes=frozenset({"https", "http"})) or "@" in url:
        raise ExpectedError("an http or https URL without a name or password in it")
    return url


def _header_secret(secret: SecretStr) -> SecretStr:
    if _HEADER_TEXT.fullmatch(secret.get_secret_value()) is None:
        raise ExpectedError("a key of printable characters without blanks")
    return secret


def _routing_key(secret: SecretStr) -> SecretStr:
    if _ROUTING_KEY.fullmatch(secret.get_secret_value()) is None:
        raise ExpectedError("the 32 letters and digits of an integration key")
    return secret


def _webhook_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        length = len(base64.b64decode(text.removeprefix(_WEBHOOK_MARK), validate=True))
    except ValueError:
        length = 0
    if not text.startswith(_WEBHOOK_MARK) or length not in _WEBHOOK_KEY_BYTES:
        raise ExpectedError("whsec_ and base64 of 24 to 64 bytes")
    return secret


def _address(text: str) -> str:
    if _ADDRESS.fullmatch(text) is None:
        raise ExpectedError("an e-mail address such as alerts@example.com")
    return text


def _host(text: str) -> str:
    if _HOST.fullmatch(text) is None:
        raise ExpectedError("a host name")
    return text


def _some(items: list[ItemT]) -> list[ItemT]:
    if not items:
        raise ValueError("expected at least one")
    return items


SecretUrl: TypeAlias = Annotated[SecretStr, AfterValidator(_https_secret)]
Url: TypeAlias = Annotated[str, AfterValidator(_https)]


class StdoutSink(BaseModel):
    """One line per message on the standard output."""

    model_config = FROZEN

    type: Literal["stdout"]
    format: Literal["text", "json"] = "text"


class SlackSink(BaseModel):
    """A Slack incoming webhook; its URL is the secret."""

    model_config = FROZEN

    type: Literal["slack"]
    webhook_url: SecretUrl


class TeamsSink(BaseModel):
    """A workflow of Microsoft Teams that posts cards; its URL is the secret."""

    model_config = FROZEN

    type: Literal["teams"]
    webhook_url: SecretUrl


class PagerDutySink(BaseModel):
    """A service of PagerDuty with an integration of the Events API v2."""

    model_config = FROZEN

    type: Literal["pagerduty"]
    routing_key: Annotated[SecretStr, AfterValidator(_routing_key)]
    url: Url = "https://events.pagerduty.com/v2/enqueue"


class JsmSink(BaseModel):
    """An API integration of Jira Service Management."""

    model_config = FROZEN

    type: Literal["jsm"]
    api_key: Annotated[SecretStr, AfterValidator(_header_secret)]
    url: Url = "https://api.atlassian.com/jsm/ops/integration/v2"


class OpsgenieSink(BaseModel):
    """An API integration of Opsgenie."""

    model_config = FROZEN

    type: Literal["opsgenie"]
    api_key: Annotated[SecretStr, AfterValidator(_header_secret)]
    url: Url = "https://api.opsgenie.com/v2"


class AlertmanagerSink(BaseModel):
    """All peers of an Alertmanager; who they are asked to let in by is a name and password, or a token, or nothing."""

    model_config = FROZEN

    type: Literal["alertmanager"]
    urls: Annotated[list[Annotated[str, AfterValidator(_web)]], AfterValidator(_some)]
    username: Text | None = None
    password: SecretStr | None = None
    bearer_token: Annotated[SecretStr, AfterValidator(_header_secret)] | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise SettingErrors([((), "expected username and password together, or neither")])
        if self.password is not None and self.bearer_token is not None:
            raise SettingErrors([((), "expected a password or a bearer_token, not both")])
        has_secret = self.password is not None or self.bearer_token is not None
        if has_secret:
            text = "expected an https URL where there is a password or token (http only on the loopback host)"
            open_ones = [i for i, url in enumerate(self.urls) if not _is_private_enough(url)]
            if open_ones:
                raise SettingErrors([(("urls", i), text) for i in open_ones])
        return self


class WebhookSink(BaseModel):
    """Anybody's web server, told by Standard Webhooks.

    Attributes
    ----------
    secrets
        Each signs every message.
    allow_private
        Let the URL lead into our own network, and be http.
    """

    model_config = FROZEN

    type: Literal["webhook"]
    url: SecretStr
    secrets: Annotated[list[Annotated[SecretStr, AfterValidator(_webhook_secret)]], AfterValidator(_some)]
    allow_private: bool = False

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        url = self.url.get_secret_value()
        schemes = frozenset({"https", "http"} if self.allow_private else {"https"})
        host = _host_of(url, schemes=schemes)
        if not host:
            raise SettingErrors([(("url",), "expected an https URL (http only with allow_private: true)")])
        if host in _LOOPBACK and not self.allow_private:
            text = (
                "expected a host of the public internet; for one of your own network say allow_private: true"
            )
            raise SettingErrors([(("url",), text)])
        return self


class EmailSink(BaseModel):
    """A mail server that takes our messages.

    Attributes
    ----------
    tls
        `starttls` and `implicit` encrypt; `none` is for a server on this very machine.
    """

    model_config = FROZEN

    type: Literal["email"]
    host: Annotated[str, AfterValidator(_host)]
    port: Annotated[int, Field(ge=1, le=_PORT_MAX)] = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: Text | None = None
    password: SecretStr | None = None
    sender: Annotated[str, AfterValidator(_address)]
    recipients: Annotated[list[Annotated[str, AfterValidator(_address)]], AfterValidator(_some)]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise SettingErrors([((), "expected username and password together, or neither")])
        if self.tls == "none" and self.host not in _LOOPBACK:
            raise SettingErrors(
                [(("tls",), "expected starttls or implicit (none only on the loopback host)")]
            )
        return self


class AppriseSink(BaseModel):
    """Services that the Apprise package reaches, each by a URL that holds its secrets."""

    model_config = FROZEN

    type: Literal["apprise"]
    urls: Annotated[list[SecretStr], AfterValidator(_some)]
