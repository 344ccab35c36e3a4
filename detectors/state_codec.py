"""Bytes for what a model's detectors remember: versioned msgpack, never a pickle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from detectors.detector import State
from schemas.errors import Stop

STATES_VERSION: Final = 1

_MEND: Final = "run the release that wrote it, or start with another app name"


class Stateful(Protocol):
    """What has a name and a state: a detector, or a part of one."""

    @property
    def name(self) -> str:
        """The key of its state."""

    def state(self) -> State:
        """Return what must be remembered."""

    def restore(self, state: State) -> None:
        """Take up a remembered state; raises `ValueError` where it is not one of this."""


class _States(msgspec.Struct, array_like=True):
    version: int
    states: dict[str, dict[str, Any]]  # the values' types are checked by each detector's `restore`


class _Version(msgspec.Struct, array_like=True):
    version: int


_encoder = msgspec.msgpack.Encoder(order="deterministic")


def states_to_bytes(detectors: Sequence[Stateful]) -> bytes:
    """Return the states of detectors; equal states give equal bytes."""
    return _encoder.encode((STATES_VERSION, {d.name: d.state() for d in detectors}))


def states_from_bytes(detectors: Sequence[Stateful], data: bytes) -> None:
    """Restore every detector that the bytes hold a state of.

    A state of a detector that is not there any more is dropped, and a detector without a state stays as it
    was made: monitors may be switched on and off between two runs.

    Parameters
    ----------
    data
        What `states_to_bytes` returned; empty bytes hold no state.

    Raises
    ------
    Stop
        Bytes of another version, or damaged ones.
    """
    if not data:
        return
    states = _decoded(data).states
    for detector in detectors:
        stored = states.get(detector.name)
        if stored is None:
            continue
        try:
            detector.restore(stored)
        except ValueError as error:
            raise Stop(
                f"stored state of the monitor {detector.name}: {error}; {_MEND}", exit_code=1
            ) from error


def state_in(data: bytes, name: str) -> State:
    """Return the state of one detector out of those of many, empty where there is none.

    Raises
    ------
    Stop
        Bytes of another version, or damaged ones.
    """
    return _decoded(data).states.get(name, {}) if data else {}


def _decoded(data: bytes) -> _States:
    try:
        version = msgspec.msgpack.decode(data, type=_Version).version
        if version == STATES_VERSION:
            return msgspec.msgpack.decode(data, type=_States)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Stop(
            f"stored detector states: expected version {STATES_VERSION}, found bytes that are not such states "
            f"({error}); {_MEND}",
            exit_code=1,
        ) from error
    raise Stop(
        f"stored detector states: expected version {STATES_VERSION}, found {version}; {_MEND}", exit_code=1
    )
