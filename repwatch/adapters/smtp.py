"""Notices by e-mail: one server, some recipients; a thread for each incident in the reader's mail program."""

import hashlib
import re
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, formataddr, parseaddr

from repwatch.adapters.attempt import describe, refused, retry, scrub
from repwatch.adapters.authorities import MAIL
from repwatch.adapters.secrets import reveal
from repwatch.errors import UsageError
from repwatch.health.storm import urgency
from repwatch.model.digest import Digest
from repwatch.model.notice import Bundle, Notice
from repwatch.model.settings import EmailReceiver
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Letter, Thread
from repwatch.render.bundle import bundle_email
from repwatch.render.digest import digest_email
from repwatch.render.notice_email import Email, email
from repwatch.render.notice_text import one_line

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FAREWELL_SECONDS = 1.0
Refusals = dict[str, tuple[int, bytes]]


class SmtpNotifier:
    """Remembered of an incident: the Message-ID of its first mail, which the later ones refer to."""

    def __init__(self, receiver: EmailReceiver, timeout: float) -> None:
        self._receiver = receiver
        self._timeout = timeout

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        """Send one mail to all recipients."""
        secrets: list[str] = []
        try:
            password = "" if self._receiver.password is None else reveal(self._receiver.password)
            secrets.append(password)
            message = compose(notice, self._receiver, _first_mail(notice, thread))
            lost = self._transmit(message, password)
        except UsageError as error:
            return retry(str(error), thread)
        except _NoSafeLogin:
            return refused(f"{self._name} offers no TLS, and the password is not sent in the clear", thread)
        except (OSError, smtplib.SMTPException) as error:
            return self._judge(error, secrets, thread)
        remembered = {} if isinstance(notice, Digest) else {"message_id": thread.get("message_id") or message["Message-ID"]}
        return Delivery(outcome=DeliveryOutcome.DELIVERED, text=_named(lost, secrets), thread=remembered)

    @property
    def _name(self) -> str:
        return f"the mail server {self._receiver.host}:{self._receiver.port}"

    def _transmit(self, message: EmailMessage, password: str) -> Refusals:
        """Those recipients that were refused while others were taken."""
        server = self._connected()
        try:
            if self._receiver.user:
                if not isinstance(server.sock, ssl.SSLSocket) and self._receiver.host not in _LOOPBACK:
                    raise _NoSafeLogin
                server.login(self._receiver.user, password)
            recipients = [parseaddr(address)[1] for address in self._receiver.to]
            lost = server.send_message(message, from_addr=parseaddr(self._receiver.sender)[1], to_addrs=recipients)
            _take_leave(server)
            return lost
        finally:
            server.close()

    def _connected(self) -> smtplib.SMTP:
        host, port, context = self._receiver.host, self._receiver.port, _context(self._receiver.host)
        if self._receiver.implicit_tls:
            return smtplib.SMTP_SSL(host, port, timeout=self._timeout, context=context)
        server = smtplib.SMTP(host, port, timeout=self._timeout)
        try:
            server.ehlo_or_helo_if_needed()
            if server.has_extn("starttls"):
                server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server

    def _judge(self, error: Exception, secrets: list[str], thread: Thread) -> Delivery:
        """4yz is for now, 5yz for good (RFC 5321, 4.2.1); of several recipients, one that may work later decides."""
        match error:
            case smtplib.SMTPRecipientsRefused():
                text = f"{self._name} refused every recipient: {_named(error.recipients, secrets)}"
                later = any(code < 500 for code, _ in error.recipients.values())
            case smtplib.SMTPResponseException():
                text = f"{self._name} answered {_answer(error.smtp_code, error.smtp_error, secrets)}"
                later = not 500 <= error.smtp_code < 600
            case smtplib.SMTPNotSupportedError():
                text, later = f"{self._name} cannot do what is configured: {scrub(str(error), secrets)}", False
            case _:
                text, later = f"{self._name}: {describe(error)}", True
        return retry(text, thread) if later else refused(text, thread)


class _NoSafeLogin(Exception):
    """Without TLS a login would show the password to the network."""


def compose(notice: Letter, receiver: EmailReceiver, first_id: str) -> EmailMessage:
    """The mail. Date and Message-ID come from the notice or digest, so that a repeated mail is the same mail."""
    content = _content(notice)
    message = EmailMessage(policy=SMTP_POLICY)
    name, address = parseaddr(receiver.sender)
    message["Subject"] = content.subject
    message["From"] = formataddr((name or "repwatch", address))
    message["To"] = ", ".join(receiver.to)
    message["Date"] = format_datetime(notice.at)
    message["Message-ID"] = message_id(notice.id, address)
    if first_id:
        message["In-Reply-To"] = message["References"] = first_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    _name_kind(message, notice)
    message.set_content(content.text)
    message.add_alternative(content.html, subtype="html")
    return message


def _content(letter: Letter) -> Email:
    match letter:
        case Notice():
            return email(letter)
        case Digest():
            return digest_email(letter)
        case Bundle():
            return bundle_email(letter)


def _first_mail(letter: Letter, thread: Thread) -> str:
    """The Message-ID of the mail that this one answers; a bundle answers one if all its members were first told of there."""
    if not isinstance(letter, Bundle):
        return thread.get("message_id", "")
    first = {member.thread.get("message_id", "") for member in letter.members}
    return first.pop() if len(first) == 1 else ""


def _name_kind(message: EmailMessage, letter: Letter) -> None:
    """For filters, and for those who are woken by what is important."""
    notices: list[Notice] = []
    match letter:
        case Notice():
            message["X-Repwatch-Event"] = letter.event.value
            message["X-Repwatch-Incident"] = one_line(letter.subject.key)[:200]
            notices = [letter]
        case Digest():
            message["X-Repwatch-Event"] = "digest"
        case Bundle():
            message["X-Repwatch-Event"] = "bundle"
            notices = [member.notice for member in letter.members]
    if any(urgency(notice) == 0 for notice in notices):
        message["Importance"] = "high"
        message["X-Priority"] = "1"


def message_id(notice_id: str, sender: str) -> str:
    """Stable: a mail that was sent twice, because the server's last answer was lost, can be told by it."""
    plain = re.fullmatch(r"[A-Za-z0-9._-]{1,100}", notice_id)
    local = notice_id if plain else hashlib.sha256(notice_id.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    domain = re.sub(r"[^A-Za-z0-9.-]", "", sender.rpartition("@")[2]) or "repwatch.invalid"
    return f"<repwatch.{local}@{domain}>"


def _context(host: str) -> ssl.SSLContext:
    """Certificates are verified, save on this machine: its mail server mostly has a self-made one, and nobody listens in."""
    if host not in _LOOPBACK:
        return MAIL.context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _take_leave(server: smtplib.SMTP) -> None:
    """The mail is accepted; a server that then hangs up or falls silent must not make it a failure."""
    try:
        if server.sock is not None:
            server.sock.settimeout(_FAREWELL_SECONDS)
        server.quit()
    except (OSError, smtplib.SMTPException):
        return


def _named(refusals: Refusals, secrets: list[str]) -> str:
    return "; ".join(f"{address}: {_answer(code, text, secrets)}" for address, (code, text) in refusals.items())


def _answer(code: int, text: bytes | str, secrets: list[str]) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return scrub(f"{code} {said}", secrets)
