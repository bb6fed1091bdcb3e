"""All scenarios."""

from tests.server.scenarios.applying import APPLYING
from tests.server.scenarios.logs import LOGS
from tests.server.scenarios.reach import REACH
from tests.server.scenarios.receiving import RECEIVING
from tests.server.scenarios.roles import ROLES
from tests.server.scenarios.room import ROOM
from tests.server.scenarios.semisync import SEMISYNC
from tests.server.scenarios.stage import Scenario
from tests.server.scenarios.waiting import WAITING

SCENARIOS: tuple[Scenario, ...] = (*REACH, *RECEIVING, *LOGS, *APPLYING, *WAITING, *ROOM, *ROLES, *SEMISYNC)
