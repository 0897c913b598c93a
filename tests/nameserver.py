"""A real DNS server on loopback, over UDP and TCP, whose answers a test chooses."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tenantry.values.resolver_address import ResolverAddress

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK = "127.0.0.1"


class NameServer:
    """Answers from its records as a resolver does: CNAMEs are followed.

    :param records: ``{(name, kind): [values]}``; a name without any does not exist.
    """

    def __init__(self, records: dict[tuple[str, str], list[str]] | None = None) -> None:
        self.records = records or {}
        self.code: dns.rcode.Rcode | None = None
        """What it answers to every question instead."""
        self.truncated = False
        """Whether datagrams leave out the answer, which then has to be asked for over TCP."""
        self.silent = False
        self.forged: Callable[[dns.message.Message], bytes] | None = None
        """Makes a datagram that is sent before the real answer."""
        self.asked: list[tuple[str, str, str]] = []
        """``udp`` or ``tcp``, the name and the kind of each question."""
        self._datagrams, self._streams = _listen()
        self.port: int = self._datagrams.getsockname()[1]
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._serve_datagrams, self._serve_streams)
        ]

    @property
    def address(self) -> ResolverAddress:
        """Where it listens."""
        return ResolverAddress(LOOPBACK, self.port)

    @property
    def text(self) -> str:
        """Where it listens, as the setting names it."""
        return f"{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for listener in (self._datagrams, self._streams):
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join(10)

    def _serve_datagrams(self) -> None:
        while True:
            try:
                data, peer = self._datagrams.recvfrom(65535)
            except OSError:
                return
            if not data:  # woken to end
                return
            question = dns.message.from_wire(data)
            self._note("udp", question)
            if self.silent:
                continue
            if self.forged is not None:
                self._datagrams.sendto(self.forged(question), peer)
                time.sleep(0.01)
            answer = self._answer(question)
            if self.truncated:
                answer.answer.clear()
                answer.flags |= dns.flags.TC
            self._datagrams.sendto(answer.to_wire(), peer)

    def _serve_streams(self) -> None:
        while True:
            try:
                peer, _ = self._streams.accept()
            except OSError:
                return
            with peer, suppress(OSError, struct.error, dns.exception.DNSException):
                peer.settimeout(10)
                (length,) = struct.unpack("!H", peer.recv(2))
                question = dns.message.from_wire(peer.recv(length))
                self._note("tcp", question)
                if not self.silent:
                    wire = self._answer(question).to_wire()
                    peer.sendall(struct.pack("!H", len(wire)) + wire)

    def _note(self, how: str, question: dns.message.Message) -> None:
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True)
        self.asked.append((how, name, dns.rdatatype.to_text(asked.rdtype)))

    def _answer(self, question: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(question, recursion_available=True)
        if self.code is not None:
            answer.set_rcode(self.code)
            return answer
        asked = question.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(asked.rdtype)
        while (name, "CNAME") in self.records:
            target = self.records[name, "CNAME"][0]
            answer.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "CNAME", target + "."))
            name = target
        if values := self.records.get((name, kind)):
            quoted = [f'"{value}"' if kind == "TXT" else value for value in values]
            answer.answer.append(dns.rrset.from_text(name + ".", 60, "IN", kind, *quoted))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


def _listen() -> tuple[socket.socket, socket.socket]:
    """Listen on one port over UDP and TCP."""
    while True:
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind((LOOPBACK, 0))
        try:
            return datagrams, socket.create_server(datagrams.getsockname())
        except OSError:  # another process has the same port over TCP
            datagrams.close()
