"""`mysql://user:password@host:port?…`: one server and one account in one word. No message ever shows a password.

Read by hand, not with urllib: that drops tabs and newlines in silence and takes a `/` in a password for a path, which
would then be shown.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from repwatch.app.option_file import read_options
from repwatch.errors import UsageError
from repwatch.model.endpoint import Endpoint, LiteralSecret, SecretSource, TlsMode
from repwatch.model.server import Address

DEFAULT_PORT = 3306
FORM = "mysql://user:password@host:port, with special characters percent-encoded"
PARAMETERS = ("socket", "tls", "ca", "defaults_file", "channel")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """A URL's parts as typed; None where a part is missing. `password` "" means: without one, and do not ask."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    tls: TlsMode | None = None
    ca: Path | None = None
    defaults_file: Path | None = None
    channel: str | None = None


def parse_url(text: str, what: str = "URL") -> ServerUrl:
    """Take a URL apart. Raises UsageError that begins with `what` and never shows the URL, for it may hold a password."""
    try:
        return _parse(text)
    except ValueError as error:
        raise UsageError(f"{what}: {error}", hint=f"the form is {FORM}") from None


def config_url(value: object) -> ServerUrl:
    """A URL of the configuration. Raises ValueError, without its text."""
    if not isinstance(value, str):
        raise ValueError(f"must be a URL: {FORM}")  # noqa: TRY004 - pydantic collects ValueError alone
    url = _parse(value)
    if url.channel is not None:
        raise ValueError('channel has no place here; write channels = { name = "server" }')
    return url


def format_url(url: ServerUrl) -> str:
    """The URL of these parts; `parse_url(format_url(x)) == x`."""
    host = f"[{url.host}]" if url.host and ":" in url.host else quote(url.host or "", safe="")
    port = f":{url.port}" if url.port is not None else ""
    password = f":{quote(url.password, safe='')}" if url.password is not None else ""
    account = f"{quote(url.user or '', safe='')}{password}@" if url.user is not None or password else ""
    values = {name: getattr(url, name) for name in PARAMETERS}
    query = "&".join(f"{name}={quote(str(value), safe='/')}" for name, value in values.items() if value is not None)
    return f"mysql://{account}{host}{port}{'?' if query else ''}{query}"


# Where a password comes from that neither URL nor option file gives; called with user and address, for a prompt.
Fallback = Callable[[str, Address], SecretSource | None]


def endpoint_of(url: ServerUrl, what: str = "URL", *, fallback: Fallback | None = None, folder: Path | None = None) -> Endpoint:
    """Complete a URL by its option file; a password is the URL's own, else the file's, else what `fallback` gives.

    Relative paths count from `folder`. Raises UsageError, without any secret.
    """
    folder = folder or Path()
    options = _options(folder / url.defaults_file, what) if url.defaults_file else {}
    user = url.user or options.get("user")
    if not user:
        raise UsageError(f"{what}: there is no user in it", hint=f"the form is {FORM}")
    ssl_ca = options.get("ssl-ca")
    address = _address(url, options, what)
    tls = url.tls or _file_tls(options, what) or TlsMode.PREFERRED
    given = url.password if url.password is not None else options.get("password")
    password: SecretSource | None = LiteralSecret(given) if given else None
    if given is None and fallback:
        password = fallback(user, address)
    ca = url.ca or (Path(ssl_ca) if ssl_ca else None)
    return Endpoint(address=address, user=user, password=password, tls=tls, ca=folder / ca if ca else None)


def _options(path: Path, what: str) -> dict[str, str | None]:
    try:
        return read_options(path)
    except UsageError as error:
        raise UsageError(f"{what}: {error}", hint=error.hint) from None


def _parse(text: str) -> ServerUrl:
    found = re.fullmatch(r"mysql://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", text, re.DOTALL)
    if found is None:
        raise ValueError("it does not begin with mysql://")
    authority, path, query, fragment = found.groups()
    if "@" not in authority and "@" in text:
        raise ValueError("the password seems to hold one of / ? # as it is; write %2F %3F %23")
    if path not in ("", "/"):
        raise ValueError("a path has no meaning here: repwatch looks at whole servers")
    if fragment is not None:
        raise ValueError("a # has no meaning here; in a password write %23")
    account, at, place = authority.rpartition("@")
    user, colon, password = account.partition(":")
    host, port = _place(place)
    given = _parameters(query or "")
    if "defaults_file" not in given and not user:
        raise ValueError("there is no user in it")
    if "defaults_file" not in given and not host and "socket" not in given:
        raise ValueError("there is no host in it")
    return ServerUrl(
        user=_decoded(user, "user") or None if at else None,
        password=_decoded(password, "password") if colon else None,
        host=host,
        port=port,
        socket=given.get("socket"),
        tls=tls_mode(given["tls"]) if "tls" in given else None,
        ca=Path(given["ca"]) if "ca" in given else None,
        defaults_file=Path(given["defaults_file"]) if "defaults_file" in given else None,
        channel=given.get("channel"),
    )


def _place(place: str) -> tuple[str | None, int | None]:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::(\d*))?", place)
    if found is None:
        raise ValueError("host and port cannot be told apart; an IPv6 address stands in brackets, and the port is a number")
    host = _decoded(found[1].strip("[]"), "host").lower()
    if re.search(r"[\s,;<>\"'\\]", host):
        raise ValueError("the host holds a character that no host name has")
    port = int(found[2]) if found[2] else None
    if port is not None and not 1 <= port <= 65535:
        raise ValueError("the port must lie between 1 and 65535")
    return host or None, port


def _parameters(query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, equals, raw = part.partition("=")
        if name not in PARAMETERS:
            # The name is not repeated: it may be a piece of a password that was not encoded.
            raise ValueError(f"an unknown parameter; there are {', '.join(PARAMETERS)}")
        value = _decoded(raw, name)
        if name in given:
            raise ValueError(f"the parameter {name} is given twice")
        if not value and (name != "channel" or not equals):
            raise ValueError(f"the parameter {name} has no value")
        given[name] = value
    return given


def tls_mode(text: str) -> TlsMode:
    """The mode of that name. Raises ValueError that lists them."""
    try:
        return TlsMode(text)
    except ValueError:
        raise ValueError(f"tls is one of {', '.join(mode.value for mode in TlsMode)}") from None


def _decoded(text: str, part: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"the {part} holds a % that begins no %XX; write %25 for the character itself")
    try:
        value = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"the {part} is not UTF-8 once decoded") from None
    if "\0" in value or (part != "password" and not value.isprintable()):
        raise ValueError(f"the {part} holds a control character")
    return value


def _address(url: ServerUrl, options: dict[str, str | None], what: str) -> Address:
    if url.socket:
        return Address("localhost", DEFAULT_PORT, url.socket)
    if url.host:
        return Address(url.host, url.port or DEFAULT_PORT)
    if options.get("host") or not options.get("socket"):
        host = options.get("host")
        if not host:
            raise UsageError(f"{what}: there is no host in it", hint=f"the form is {FORM}")
        return Address(host.lower(), url.port or _file_port(options, what))
    return Address("localhost", DEFAULT_PORT, options["socket"] or "")


def _file_port(options: dict[str, str | None], what: str) -> int:
    text = options.get("port") or str(DEFAULT_PORT)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise UsageError(f"{what}: the port in its option file is no number between 1 and 65535")
    return int(text)


def _file_tls(options: dict[str, str | None], what: str) -> TlsMode | None:
    mode = options.get("ssl-mode")
    if mode:
        # The clients write VERIFY_CA; the contract's words have a dash.
        try:
            return tls_mode(mode.lower().replace("_", "-"))
        except ValueError as error:
            raise UsageError(f"{what}: ssl-mode in its option file: {error}") from None
    if "skip-ssl" in options or options.get("ssl") in ("0", "OFF", "off", "FALSE", "false"):
        return TlsMode.DISABLED
    if "ssl-verify-server-cert" in options and options["ssl-verify-server-cert"] in (None, "1", "ON", "on", "TRUE", "true"):
        return TlsMode.VERIFY_IDENTITY
    return TlsMode.REQUIRED if "ssl" in options else None
