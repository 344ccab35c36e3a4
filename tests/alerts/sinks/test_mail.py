from __future__ import annotations

import os
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as SmtpServer  # noqa: N811 - a class
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from builders.notifications import HOSTILE, crowd, first, hostile, over, signal
from builders.scripted_http import a_closed_port
from pydantic import SecretStr
from servers.certificates import Certificates, made_certificates
from servers.selection import Unavailable, do_without

from alerts.pictures.gallery import Gallery, Picture
from alerts.pictures.png import render_png
from alerts.pictures.words import Plot
from alerts.sinks import Delivery
from alerts.sinks.mail import MailServer, MailSink, Tls, render_html, render_mail, told_by

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
PASSWORD = SecretStr("M0SECRET")
EVERYBODY = ("a@example.com", "b@example.com")


class Mailbox:
    """Keeps what comes, and answers each command from a table of answers to the first times it is given."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers
        self.envelopes: list[tuple[list[str], EmailMessage]] = []
        self.encrypted: list[bool] = []

    def answer(self, name: str, otherwise: str) -> str:
        waiting = self.answers.get(name)
        return waiting.pop(0) if waiting else otherwise

    async def handle_RCPT(  # noqa: N802 - what aiosmtpd calls it
        self, _server: SmtpServer, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.answer(address.partition("@")[0], "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SmtpServer, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.answer("data", "250 OK")
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.envelopes.append((list(envelope.rcpt_tos), message))
            self.encrypted.append(session.ssl is not None)
        return answer

    async def handle_QUIT(self, server: SmtpServer, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        if self.answer("quit", "221 Bye").startswith("-"):
            assert server.transport is not None
            server.transport.close()
        return "221 Bye"


def is_known(
    _server: SmtpServer, _session: Session, _envelope: Envelope, _way: str, data: object
) -> AuthResult:
    known = LoginPassword(b"watch", PASSWORD.get_secret_value().encode())
    return AuthResult(success=data == known, handled=False, auth_data=data)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    try:
        return made_certificates(tmp_path_factory.mktemp("certificates"))
    except Unavailable as reason:
        do_without(reason, os.environ)


@contextmanager
def a_mail_server(
    mailbox: Mailbox, *, tls: ssl.SSLContext | None = None, login: bool = False
) -> Iterator[int]:
    port = a_closed_port()
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        tls_context=tls,
        require_starttls=tls is not None,
        authenticator=is_known if login else None,
        auth_required=login,
    )
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def a_sink(
    port: int, *, tls: Tls = "none", trust: ssl.SSLContext | None = None, password: SecretStr | None = None
) -> MailSink:
    username = None if password is None else "watch"
    server = MailServer(
        host="127.0.0.1", port=port, tls=tls, username=username, password=password, context=trust
    )
    return MailSink(server, sender="watch@example.com", recipients=EVERYBODY, now=lambda: NOON)


def server_context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate("server"), certificates.key("server"))
    return context


def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.certificate("authority"))


def test_a_mail_arrives_encrypted_with_text_and_html(certificates: Certificates) -> None:
    mailbox = Mailbox()
    with a_mail_server(mailbox, tls=server_context(certificates), login=True) as port:
        sink = a_sink(port, tls="starttls", trust=trusting(certificates), password=PASSWORD)
        assert sink.deliver(first()) == Delivery.delivered()
    ((recipients, message),) = mailbox.envelopes
    assert recipients == list(EVERYBODY)
    assert mailbox.encrypted == [True]
    assert message["Subject"] == "CRIT fraud: values of amount moved up, median 42 to 61"
    text, page = (part for part in message.iter_parts())
    assert isinstance(text, EmailMessage)
    assert isinstance(page, EmailMessage)
    assert "began 2026-11-01 12:00:00 UTC" in text.get_content()
    assert "<h2" in page.get_content()


def test_the_picture_of_the_signal_comes_with_the_page_and_is_loaded_from_nowhere() -> None:
    mailbox, gallery = Mailbox(), Gallery(render_png)
    with a_mail_server(mailbox) as port:
        server = MailServer(host="127.0.0.1", port=port, tls="none")
        sink = MailSink(
            server, sender="watch@example.com", recipients=EVERYBODY, now=lambda: NOON, pictures=gallery
        )
        assert sink.deliver(signal()) == Delivery.delivered()
        assert sink.deliver(first()) == Delivery.delivered()
    (_, message), (_, without) = mailbox.envelopes
    assert [part.get_content_type() for part in without.iter_parts()] == ["text/plain", "text/html"]
    text, related = message.iter_parts()
    assert "▁" in text.as_string() or "=E2=96=81" in text.as_string()
    assert related.get_content_type() == "multipart/related"
    page, image = related.iter_parts()
    assert isinstance(page, EmailMessage)
    assert isinstance(image, EmailMessage)
    found = gallery.picture(signal())
    assert found is not None
    assert image.get_content_type() == "image/png"
    assert image.get_content() == found.data
    assert image["Content-ID"].startswith("<")
    html = page.get_content()
    assert f'<img src="cid:{image["Content-ID"][1:-1]}" alt="median of amount from ' in html
    assert re.findall(r'(?:src|href)="(?!cid:)[^"]*\.png', html) == []


def test_a_mail_with_a_picture_is_the_same_whenever_it_is_made() -> None:
    picture = Picture(b"\x89PNG", "what it shows")
    made = {
        render_mail(
            signal(), sender="w@example.com", recipients=EVERYBODY, now=NOON, picture=picture
        ).as_bytes()
        for _ in range(2)
    }
    assert len(made) == 1


def test_what_a_picture_shows_is_told_without_markup() -> None:
    page = render_html(hostile(), picture=("cid:x", HOSTILE))
    assert "<script" not in page
    assert page.count("<img ") == 1


def test_an_error_in_drawing_leaves_the_message_whole() -> None:
    def fails(_plot: Plot) -> bytes:
        raise RuntimeError("the font is broken")

    mailbox = Mailbox()
    with a_mail_server(mailbox) as port:
        server = MailServer(host="127.0.0.1", port=port, tls="none")
        sink = MailSink(
            server,
            sender="watch@example.com",
            recipients=EVERYBODY,
            now=lambda: NOON,
            pictures=Gallery(fails),
        )
        assert sink.deliver(signal()) == Delivery.delivered()
    ((_, message),) = mailbox.envelopes
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_a_wrong_password_is_dead_and_not_shown(certificates: Certificates) -> None:
    with a_mail_server(Mailbox(), tls=server_context(certificates), login=True) as port:
        sink = a_sink(port, tls="starttls", trust=trusting(certificates), password=SecretStr("wrong"))
        assert sink.deliver(first()) == Delivery.dead("smtp_535")


def test_a_certificate_that_is_not_trusted_gets_nothing(certificates: Certificates) -> None:
    mailbox = Mailbox()
    with a_mail_server(mailbox, tls=server_context(certificates)) as port:
        assert a_sink(port, tls="starttls").deliver(first()) == Delivery.retry("tls")
    assert mailbox.envelopes == []


def test_a_server_without_starttls_gets_nothing() -> None:
    mailbox = Mailbox()
    with a_mail_server(mailbox) as port:
        assert a_sink(port, tls="starttls").deliver(first()) == Delivery.dead("not_supported")
    assert mailbox.envelopes == []


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [
        ("451 try later", Delivery.retry("smtp_451")),
        ("421 closing", Delivery.retry("smtp_421")),
        ("554 refused", Delivery.dead("smtp_554")),
    ],
)
def test_a_server_that_refuses_for_now_is_tried_again_and_one_that_refuses_for_good_is_not(
    answer: str, delivery: Delivery
) -> None:
    with a_mail_server(Mailbox(data=[answer])) as port:
        assert a_sink(port).deliver(first()) == delivery


def test_a_server_that_hangs_up_once_it_has_the_message_has_it() -> None:
    mailbox = Mailbox(quit=["- hang up"])
    with a_mail_server(mailbox) as port:
        assert a_sink(port).deliver(first()) == Delivery.delivered()
    assert len(mailbox.envelopes) == 1


def test_who_has_got_a_message_does_not_get_it_again_because_of_another() -> None:
    mailbox = Mailbox(b=["450 greylisted"])
    with a_mail_server(mailbox) as port:
        sink = a_sink(port)
        assert [sink.deliver(first()), sink.deliver(first())] == [
            Delivery.retry("recipient_later"),
            Delivery.delivered(),
        ]
        assert sink.deliver(over()) == Delivery.delivered()
    assert [who for who, _ in mailbox.envelopes] == [["a@example.com"], ["b@example.com"], list(EVERYBODY)]


@pytest.mark.parametrize("refusing", [{"b": ["550 unknown"]}, {"a": ["550 unknown"], "b": ["550 unknown"]}])
def test_a_recipient_that_nobody_knows_is_told_of(refusing: dict[str, list[str]]) -> None:
    with a_mail_server(Mailbox(**refusing)) as port:
        assert a_sink(port).deliver(first()) == Delivery.dead("recipient_refused")


def test_a_server_that_is_not_there_is_tried_again() -> None:
    assert a_sink(a_closed_port()).deliver(first()) == Delivery.retry("network")


@pytest.mark.parametrize(
    ("error", "delivery"),
    [
        (TimeoutError(), Delivery.retry("timeout")),
        (smtplib.SMTPServerDisconnected("gone"), Delivery.retry("protocol")),
        (smtplib.SMTPHeloError(501, b"no"), Delivery.dead("smtp_501")),
        (smtplib.SMTPDataError(452, b"full"), Delivery.retry("smtp_452")),
    ],
)
def test_each_error_means_one_thing(error: OSError, delivery: Delivery) -> None:
    assert told_by(error) == delivery


def test_messages_about_an_incident_are_one_thread_and_a_repeat_has_the_same_id() -> None:
    told = crowd(3)
    later = told.model_copy(update={"sequence": 1})
    one, again, two = (
        render_mail(each, sender="w@example.com", recipients=EVERYBODY, now=now)
        for each, now in ((told, NOON), (told, datetime.now(UTC)), (later, NOON))
    )
    assert one["Message-ID"] == again["Message-ID"] != two["Message-ID"]
    assert one["References"] == one["In-Reply-To"] == two["References"] != one["Message-ID"]
    other = render_mail(first(), sender="w@example.com", recipients=EVERYBODY, now=NOON)
    assert other["References"] != one["References"]
