"""What a person on call types is checked before it counts."""

from datetime import timedelta

import pytest

from repwatch.app.people import author, length, said, silence_target
from repwatch.errors import UsageError
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Address
from repwatch.model.settings import Settings
from repwatch.model.topology import ClusterSpec, ServerSpec

SERVER = ServerSpec(endpoint=Endpoint(Address("10.0.0.2"), "u"), name="db2")
SETTINGS = Settings(clusters=(ClusterSpec(name="shop", source="db2", servers=(SERVER,)),))


@pytest.mark.parametrize(
    "target", ["shop", "sh*", "shop/db2", "shop/10.0.0.2:3306", "*/db2/lagging", "shop/*/*-error", "shop/db2/applier-*"]
)
def test_a_target_names_something(target: str) -> None:
    assert silence_target(SETTINGS, target) == target


@pytest.mark.parametrize(
    "target", ["", "shopp", "shop/", "shop/db3", "shop/db2/lag", "shop/db2/lagging/x", "/db2", "shop db2", "mysql://u:p@h"]
)
def test_what_names_nothing_is_refused(target: str) -> None:
    with pytest.raises(UsageError):
        silence_target(SETTINGS, target)


@pytest.mark.parametrize("text", ["", "0s", "2", "forever", "91d", "-1h", "9999999999999w"])
def test_a_silence_ends(text: str) -> None:
    with pytest.raises(UsageError):
        length(text)


def test_lengths() -> None:
    assert length("1h30m") == timedelta(minutes=90)


def test_what_is_said_is_one_line() -> None:
    assert said("new\n\x1b[31m disks ", "--reason") == "new [31m disks"
    with pytest.raises(UsageError):
        said(" \n", "--reason")


def test_who_it_is() -> None:
    assert author("ann", ("bob",)) == "ann"
    assert author(None, (None, "bob")) == "bob"
    assert author(None, ())
