"""Server URLs: what is taken, what is refused, and that no message repeats a password."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.app.urls import ServerUrl, endpoint_of, format_url, parse_url
from repwatch.errors import UsageError
from repwatch.model.endpoint import EnvSecret, LiteralSecret, TlsMode
from repwatch.model.server import Address

PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True) | st.ip_addresses().map(str)
FIELDS = {
    "user": PRINTABLE,
    "password": st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    "host": HOSTS,
    "port": st.none() | st.integers(1, 65535),
    "socket": st.none() | PRINTABLE.map(lambda text: f"/run/{text}"),
    "tls": st.none() | st.sampled_from(TlsMode),
    "ca": st.none() | PRINTABLE.map(Path),
    "defaults_file": st.none() | PRINTABLE.map(Path),
    "channel": st.none() | PRINTABLE,
}


@given(st.builds(ServerUrl, **FIELDS))
def test_a_url_says_all_that_was_put_into_it(url: ServerUrl) -> None:
    """Invariant: parse_url(format_url(x)) == x, for every user, password, host and parameter."""
    assert parse_url(format_url(url)) == url


@pytest.mark.parametrize(
    ("text", "address", "user"),
    [
        ("mysql://u@h", Address("h", 3306), "u"),
        ("mysql://u@H.Example.COM:3307/", Address("h.example.com", 3307), "u"),
        ("mysql://u%40x@10.0.0.1:", Address("10.0.0.1", 3306), "u@x"),
        ("mysql://u:p@[2001:db8::1]:3307", Address("2001:db8::1", 3307), "u"),
        ("mysql://u@?socket=/run/mysqld/mysqld.sock", Address("localhost", 3306, "/run/mysqld/mysqld.sock"), "u"),
        ("mysql://u@localhost?socket=%2Frun%2Fa%20b", Address("localhost", 3306, "/run/a b"), "u"),
    ],
)
def test_urls_that_are_taken(text: str, address: Address, user: str) -> None:
    endpoint = endpoint_of(parse_url(text))
    assert (endpoint.address, endpoint.user) == (address, user)


@pytest.mark.parametrize(
    "text",
    [
        "", "h", "h:3306", "http://u:geheim@h", "postgresql://u:geheim@h", "mysql:/u:geheim@h", "mysql://", "mysql://h", "mysql://@h",
        "mysql://:geheim@h", "mysql://u:geheim@", "mysql://u:geheim@h/db", "mysql://u:geheim@h:0", "mysql://u:geheim@h:65536",
        "mysql://u:geheim@h:port", "mysql://u:geheim@h:33:06", "mysql://u:geheim@::1", "mysql://u:geheim@[::1", "mysql://u:geheim@h#x",
        "mysql://u:ge/heim@h", "mysql://u:ge?heim@h", "mysql://u:ge#heim@h", "mysql://u:geheim%@h", "mysql://u:geheim%zz@h",
        "mysql://u:%ff%fegeheim@h", "mysql://u%00:geheim@h", "mysql://u:geheim%00@h", "mysql://u:geheim@h?nope=1", "mysql://u:geheim@h?tls",
        "mysql://u:geheim@h?tls=yes", "mysql://u:geheim@h?channel=a&channel=b", "mysql://u:geheim@h?socket=",
        "mysql://u:geheim@h h",
        "mysql://u:geheim@a,b", " mysql://u:geheim@h", "mysql://u:x@geheim@h h",
    ],
)  # fmt: skip
def test_urls_that_are_refused_without_a_word_of_the_password(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        endpoint_of(parse_url(text, "--source"))
    said = f"{refusal.value} {refusal.value.hint}"
    assert said.startswith("--source: ")
    assert "geheim" not in said
    assert "heim" not in said


def test_a_password_comes_from_the_url_then_the_option_file_then_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "my.cnf"
    file.write_text(
        "[client]\nuser=ann\npassword='from file'\nport=3311\nhost=db.example.com\nssl-mode=VERIFY_CA\nssl-ca=/ca.pem\n"
    )
    elsewhere = EnvSecret("X")

    def password(text: str) -> object:
        return endpoint_of(parse_url(text), fallback=lambda *_: elsewhere).password

    assert password(f"mysql://u:mine@h?defaults_file={file}") == LiteralSecret("mine")
    assert password(f"mysql://u@h?defaults_file={file}") == LiteralSecret("from file")
    assert password("mysql://u@h") == elsewhere
    assert password("mysql://u:@h") is None
    complete = endpoint_of(parse_url("mysql://?defaults_file=my.cnf"), folder=tmp_path)
    assert (complete.address, complete.user) == (Address("db.example.com", 3311), "ann")
    assert (complete.tls, complete.ca) == (TlsMode.VERIFY_CA, Path("/ca.pem"))


def test_a_secret_does_not_show_in_a_repr() -> None:
    url = parse_url("mysql://u:geheim@h")
    assert "geheim" not in repr(url)
    assert "geheim" not in repr(endpoint_of(url))
