"""Whether the topics of a recording go by one clock: their stamps against when the recorder received them."""

from itertools import islice

import numpy as np

from splatkit.io.recordings.livox import KINDS, read_livox
from splatkit.io.recordings.recording import Message, Recording

_LOOKED_AT = 20  # messages; they are alike


def lag_s(recording: Recording, topic: str) -> float:
    """How long after its stamp a message of a topic is received, s, in the median of the first ones.

    Milliseconds where its clock is the recorder's; years where a sensor counts from when it was switched on.
    """
    lags = [message.received_s - _stamp(recording, message) for message in _first(recording, topic)]
    return float(np.median(lags)) if lags else 0.0


def _first(recording: Recording, topic: str) -> list[Message]:
    return list(islice(recording.messages([topic]), _LOOKED_AT))


def _stamp(recording: Recording, message: Message) -> float:
    if message.kind in KINDS:
        return read_livox(recording.path, message.raw, message.reader, message.kind).start_s(message.received_s)
    return message.stamp_s(message.content().header)
