"""
Datagrams sent back without being looked at, a batch at a time.

The fast path of answers which are their own requests. What may be sent back is for the screen to say: it sees the
peer's raw name (sockaddr_in, sockaddr_in6), and most batches it need not see at all, as all their peers are known.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from echod.transport.datagram import DatagramPort, error_name
from echod.transport.mmsg import SIZE, shape_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence

    from echod.transport.mmsg import Batch

KNOWN = 65_536
"""Peers remembered as always welcome; with more of them, all are forgotten and learned anew."""

_LOOP = "loop"


class Screen(Protocol):
    """Says what may be sent back; also a `DatagramReceiver`, for the port's beginning and end."""

    def screen(self, name: bytes, gist: Callable[[], bytes], *, unicast: bool) -> str | None:
        """
        Decide about one datagram by its peer's raw name: the reason why it is dropped, or "" if it passes.

        None lets its peer pass from now on without being asked for again. A reason, but for `loop`, holds for all that
        the same peer sent in the same moment.

        :param gist: gives all of the datagram, or both ends of a long one, as `echod.transport.datagram.gist_of`.
        """

    def reflected(self, received: int, received_bytes: int, sent: int, sent_bytes: int) -> None:
        """Count."""

    def dropped(self, reason: str, count: int = 1) -> None:
        """Count what was not sent back."""


class Onlooker(Protocol):
    """Is shown the batches of a service that is watched."""

    def reflected(self, batch: Batch, sent: Sequence[tuple[int, int]], dropped: Mapping[str, Sequence[int]]) -> None:
        """
        Look at a batch while its datagrams are still there.

        :param sent: runs of those that were sent back, each from the first up to the one behind the last.
        :param dropped: those that were not, by reason.
        """


class ReflectingPort(DatagramPort):
    """
    A datagram port that sends back what its screen lets pass.

    :param batch: the process's.
    :ivar onlooker: is shown each batch; None while nobody watches.
    """

    protocol: Any
    onlooker: Onlooker | None = None

    def __init__(
        self,
        sock: socket.socket,
        protocol: Any,
        reactor: Any,
        batch: Batch,
        on_close: Callable[[], object] | None = None,
        errors: Counter[str] | None = None,
    ) -> None:
        super().__init__(sock, protocol, reactor, on_close, errors)
        self._batch = batch
        self._family = sock.family
        self._shape = shape_of(sock.family, tells_address=self._tells_address)
        self._known: set[Any] = set()
        # Of the batch in service, by reason: what the screen dropped, and what the kernel did not send.
        self._dropped: dict[str, list[int]] = {}
        self._unsent: dict[str, list[int]] = {}

    def read(self, most: int) -> int:
        """Serve about so many datagrams, in whole batches, and return how many there were."""
        served = 0
        while served < most:
            self.doRead()
            served += self._batch.count
            if self._batch.count < SIZE:
                break
        return served

    def forget(self) -> None:
        """Forget who is always welcome: what the screen says of them may have changed."""
        self._known.clear()

    def doRead(self) -> None:
        """Serve one batch. Called by the reactor."""
        batch = self._batch
        descriptor = self.socket.fileno()
        try:
            count = batch.receive(descriptor, self._shape)
        except BlockingIOError:
            return
        except OSError as problem:
            self._failed(problem)
            return
        received_bytes = batch.turn_back()
        all_unicast = True
        if self._tells_address:
            all_unicast = batch.unicast(self._family)
            batch.forget_interfaces(self._family)
        if all_unicast and self._known.issuperset(self._names()):
            self._dropped = {}
            left = self._send(0, count)
        else:
            runs = self._passed(all_unicast=all_unicast)
            left = [each for start, end in runs for each in self._send(start, end)]
        if left == [(0, count)]:
            self.protocol.reflected(count, received_bytes, count, received_bytes)
        else:
            lengths = batch.lengths()
            sent = sum([end - start for start, end in left])
            sent_bytes = sum([sum(lengths[start:end]) for start, end in left])
            self.protocol.reflected(count, received_bytes, sent, sent_bytes)
        if self.onlooker is not None:
            self._show(left)

    def _show(self, left: list[tuple[int, int]]) -> None:
        """Show a batch to whoever watches."""
        assert self.onlooker is not None
        dropped = self._dropped
        if self._unsent:
            dropped = dropped | self._unsent
            self._unsent = {}
        self.onlooker.reflected(self._batch, left, dropped)

    def _names(self) -> list[Any]:
        """Return the peers' names in the form in which they are known."""
        batch = self._batch
        if self._family == socket.AF_INET:
            return batch.names_4()
        return [batch.name(index) for index in range(batch.count)]

    def _passed(self, *, all_unicast: bool) -> list[tuple[int, int]]:
        """Ask the screen for each datagram, and return the runs of those that pass; note the others by reason."""
        batch, known = self._batch, self._known
        dropped: dict[str, list[int]] = {}
        refused: dict[Any, str] = {}
        runs: list[tuple[int, int]] = []
        start = 0
        for index, key in enumerate(self._names()):
            unicast = all_unicast or batch.is_unicast(index, self._family)
            if key in known and unicast:
                continue
            reason = refused.get(key) if unicast else None
            if reason is None:
                reason = self._ask(index, key, unicast=unicast)
                if not reason:
                    continue
                if unicast and reason != _LOOP:
                    refused[key] = reason
            dropped.setdefault(reason, []).append(index)
            if start < index:
                runs.append((start, index))
            start = index + 1
        if start < batch.count:
            runs.append((start, batch.count))
        for reason, places in dropped.items():
            self.protocol.dropped(reason, len(places))
        self._dropped = dropped
        return runs

    def _ask(self, index: int, key: Any, *, unicast: bool) -> str:
        """Ask the screen for one datagram: the reason why it is dropped, or "". Who is always welcome is known then."""
        batch, known = self._batch, self._known
        reason: str | None = self.protocol.screen(batch.name(index), partial(batch.gist, index), unicast=unicast)
        if reason is None:
            if len(known) >= KNOWN:
                known.clear()
            known.add(key)
            return ""
        return reason

    def _send(self, start: int, end: int) -> list[tuple[int, int]]:
        """Send a run, without those that the kernel refuses, and return the runs that left."""
        left: list[tuple[int, int]] = []
        descriptor = self.socket.fileno()
        while start < end:
            try:
                count = self._batch.send(descriptor, start, end)
            except BlockingIOError as problem:
                # The send buffer is full, so none of the others would leave either.
                for each in range(start, end):
                    self._refused(each, problem)
                break
            except OSError as problem:
                self._refused(start, problem)
                start += 1
                continue
            left.append((start, start + count))
            start += count
        return left

    def _refused(self, index: int, problem: OSError) -> None:
        """Count a datagram that the kernel did not send, and note it for whoever watches."""
        self._failed(problem)
        if self.onlooker is not None:
            self._unsent.setdefault(error_name(problem), []).append(index)
