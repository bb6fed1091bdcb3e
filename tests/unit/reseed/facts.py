"""Facts of two healthy servers, to be changed by a test in one place."""

from repwatch.model.schema import TableName
from repwatch.model.server import Address, ServerVersion
from repwatch.reseed.facts import Facts, ServerFacts, SourceFacts, TableFacts, TargetFacts
from repwatch.sql.replication import ChannelState

SOURCE_UUID = "11111111-1111-1111-1111-111111111111"
TARGET_UUID = "22222222-2222-2222-2222-222222222222"


def server(number: int, uuid: str, version: str = "9.7.0", channels: tuple[ChannelState, ...] = ()) -> ServerFacts:
    return ServerFacts(
        address=Address(f"db{number}", 3306),
        version=ServerVersion.parse(version),
        server_id=number,
        server_uuid=uuid,
        log_bin=True,
        logs_updates=True,
        gtid=True,
        lower_case_names=0,
        max_allowed_packet=64_000_000,
        binlog_expires=86_400,
        group_member=False,
        schemas=("shop",),
        prepared=(),
        channels=channels,
        missing_grants=(),
    )


def channel(uuid: str = SOURCE_UUID, source_id: int = 1, name: str = "", delay: int = 0) -> ChannelState:
    return ChannelState(
        channel=name,
        source=Address("db1", 3306),
        source_id=source_id,
        source_uuid=uuid,
        receiver_running=True,
        applier_running=False,
        receiver_errno=0,
        receiver_error="",
        applier_errno=1062,
        applier_error="duplicate",
        delay=delay,
        uses_gtid=True,
    )


def table(name: str = "orders", engine: str = "InnoDB", kind: str = "BASE TABLE", data_bytes: int = 1000) -> TableFacts:
    return TableFacts(name=TableName("shop", name), kind=kind, engine=engine, rows=10, data_bytes=data_bytes)


SOURCE = SourceFacts(server=server(1, SOURCE_UUID), tables=(table(),), fingerprint="f")
TARGET = TargetFacts(
    server=server(2, TARGET_UUID, channels=(channel(),)),
    read_only=True,
    super_read_only=False,
    trust_creators=False,
    local_infile=True,
    dump_clients=(),
    replicas=(),
    writers=(),
    marker=None,
    executed="",
)
FACTS = Facts(source=SOURCE, target=TARGET, channel="", login=False, overwrite_standalone="", local_tables=())
