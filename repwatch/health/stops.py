"""Who stopped a thread: the server counts the STOPs that people send, and none where a thread ended by itself."""

from collections.abc import Mapping

from repwatch.model.observation import ChannelObservation, Observation, ThreadState
from repwatch.model.past import Past
from repwatch.model.restart import ChannelThread
from repwatch.sql.status_texts import is_ending


def stops_when_run(past: Past, now: Observation, *, goes_on: bool) -> Mapping[tuple[str, ChannelThread], int]:
    """`Past.ran` after a look; `goes_on`: the server has not started anew since the look before.

    A STOP that waits for a lock has been counted while the applier still runs, and is not taken for one from before.
    """
    if now.risks is None:
        return {}
    kept = past.ran if goes_on else {}
    same_run = (
        goes_on and past.latest is not None and past.latest.risks is not None and past.latest.risks.starts == now.risks.starts
    )
    found: dict[tuple[str, ChannelThread], int] = {}
    for channel in now.channels:
        for thread in ChannelThread:
            place = channel.name, thread
            if place in kept and (same_run or not _runs(channel, thread)):
                found[place] = kept[place]
            elif _runs(channel, thread) and not is_ending(channel.applier_text):
                found[place] = now.risks.stops
    return found


def _runs(channel: ChannelObservation, thread: ChannelThread) -> bool:
    state = channel.applier if thread is ChannelThread.APPLIER else channel.receiver
    return state in (ThreadState.RUNNING, ThreadState.CONNECTING)
