"""A mail catcher: a real SMTP server that keeps what it takes. The only module that needs `aiosmtpd` (extra `demo`)."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from repwatch.sandbox.standins import Catch

logging.getLogger("mail.log").setLevel(logging.ERROR)  # it warns at every login of an attribute of its own that is deprecated


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtMail:
    """One mail as it was taken."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    tls: bool
    login: str

    @property
    def text(self) -> str:
        """The plain text part."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The HTML part."""
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return "" if part is None else str(part.get_content())


@dataclass(slots=True, kw_only=True)
class MailRefusals:
    """Answers to give instead of `250`; "" takes the mail. `recipients` maps an address to its answer."""

    sender: str = ""
    recipients: dict[str, str]
    data: str = ""
    stall: float = 0.0  # seconds before the answer to the mail; made less, an answer that is due by then comes at once
    after_effect: bool = False  # keep the mail although the answer is a refusal or comes too late


class MailCatcher:
    """Listens on a free port of loopback. `tls` offers STARTTLS, with `implicit_tls` TLS from the start; `login` demands one."""

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.host = host
        self.refusals = MailRefusals(recipients={})
        self._caught: Catch[CaughtMail] = Catch()
        self._login = login
        self._implicit_tls = implicit_tls
        self._controller = _Controller(
            self,
            hostname=host,
            port=port,
            ready_timeout=30,
            ssl_context=tls if implicit_tls else None,
            tls_context=None if implicit_tls else tls,
            authenticator=self._authenticate,
            auth_require_tls=False,
        )
        self._controller.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._controller.port)

    @property
    def mails(self) -> tuple[CaughtMail, ...]:
        """Everything so far."""
        return self._caught.items

    def wait_for(self, predicate: Callable[[tuple[CaughtMail, ...]], bool], seconds: float) -> bool:
        """True as soon as the predicate holds of the mails."""
        return self._caught.wait_for(predicate, seconds)

    def close(self) -> None:
        """Stop listening and wait for the thread."""
        self._controller.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's hook
        """Hook of aiosmtpd."""
        if self._login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if self.refusals.sender:
            return self.refusals.sender
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's hook
        """Hook of aiosmtpd."""
        if address in self.refusals.recipients:
            return self.refusals.recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's hook
        """Hook of aiosmtpd."""
        refusals, fails = self.refusals, bool(self.refusals.data or self.refusals.stall)
        if not fails or refusals.after_effect:
            self._keep(session, envelope)
        begun = time.monotonic()
        while time.monotonic() - begun < refusals.stall:  # noqa: ASYNC110 - another thread shortens it
            await asyncio.sleep(0.05)
        return refusals.data or "250 OK"

    def _keep(self, session: Session, envelope: Envelope) -> None:
        message = message_from_bytes(envelope.original_content or b"", _class=EmailMessage, policy=default_policy)
        self._caught.add(
            CaughtMail(
                sender=envelope.mail_from or "",
                recipients=tuple(envelope.rcpt_tos),
                message=message,
                tls=self._implicit_tls or session.ssl is not None,
                login=f"{session.auth_data}" if session.authenticated else "",
            )
        )

    def _authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else ("", "")
        return AuthResult(success=given == self._login, handled=False, auth_data=given[0])


class _Controller(Controller):
    """Learns which free port it was given before its starting code connects to it."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]
