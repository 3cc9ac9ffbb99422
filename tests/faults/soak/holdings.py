"""What a process holds: threads, files, and connections by the partner that they lead to."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# States of the kernel's table (include/net/tcp_states.h).
_LISTENS = "0A"


@dataclass(frozen=True, slots=True)
class Holdings:
    """files: open descriptors that are no sockets. sockets: by partner, `clients` for those that were accepted."""

    threads: int
    files: int
    sockets: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Partners:
    """door: the port of web. ports: of the partners, by name; every other connection is one of Redis or Sentinel."""

    door: int
    ports: Mapping[int, str]

    def held_by(self, pid: int) -> Holdings | None:
        """What a process holds now, None where it has ended."""
        try:
            threads = len(os.listdir(f"/proc/{pid}/task"))
            links = [_link(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
            # Of the network that this process lives in.
            table = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
        except OSError:
            return None
        named = dict(self._named(line) for line in table)
        held = [link for link in links if link]
        inodes = [link.removeprefix("socket:[").rstrip("]") for link in held if link.startswith("socket:")]
        sockets = Counter(named.get(inode, "redis") for inode in inodes)
        return Holdings(threads, len(held) - len(inodes), sockets)

    def _named(self, line: str) -> tuple[str, str]:
        """The inode of a socket, and whom it connects with."""
        columns = line.split()
        here, there = (int(address.rpartition(":")[2], 16) for address in columns[1:3])
        if columns[3] == _LISTENS:
            return columns[9], "listening"
        return columns[9], "clients" if here == self.door else self.ports.get(there, "redis")


def _link(path: str) -> str:
    """Where a descriptor leads; nothing where it was closed meanwhile."""
    try:
        return os.readlink(path)
    except OSError:
        return ""
