"""Kill processes in the middle of their work, and check what their journal has kept: `crash_trials.py KIND KILLS SEED FOLDER`.

A script of its own, as it forks: a small process with one thread does that quickly and safely. Each child opens the journal, says what it
restores, and then assigns and unassigns at random; it says what it begins, and acknowledges it when it is done. It is killed at a random
instant. What the next child restores is held against what was acknowledged.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from journal_worlds import KINDS, key, node

from vpcipam.errors import PoolExhausted
from vpcipam.journal.files import Files

COOLDOWN = 40
CONTAINERS = [f"c{number}" for number in range(26)]  # of 32 addresses, some of which always cool


# --- the child: works until it is killed ---------------------------------------------------------------------------------


def work(say, kind, folder, now, seed):
    chance = random.Random(seed)
    options = {}
    if kind == "sqlite":
        options["synchronous"] = chance.choice(("FULL", "NORMAL", "OFF", "OFF"))
    elif chance.random() < 0.1:
        options["files"] = Files()
    journal = KINDS[kind](folder, **options)
    restored = journal.restore(now)
    assert restored.problems == ()
    held = {each.key.container_id: each.address for each in restored.assigned}
    say("restored", now, list(held.items()), [[each.address, each.until_ns] for each in restored.cooling])
    gone = chance.sample(sorted(held), min(len(held), 3)) if chance.random() < 0.2 else []  # as the container runtime may say
    if gone:
        say("unassign", now, gone)
    store = node(journal, cooldown_ns=COOLDOWN, now_ns=now, gone=map(key, gone), placement="random", seed=seed)
    assert store.quarantined == ()
    if gone:
        say("unassigned", now, [held[each] for each in gone])
    for now_ns in itertools.count(now + 1):
        step(say, store, chance, now_ns)
        if chance.random() < 0.002:
            journal.close()
            journal = KINDS[kind](folder, **options)
            store = node(journal, cooldown_ns=COOLDOWN, now_ns=now_ns, placement="random", seed=seed)


def step(say, store, chance, now_ns):
    live = [each.container_id for each, _ in store.assignments()]
    spare = [each for each in CONTAINERS if each not in live]
    if spare and (not live or chance.random() < 0.55):
        wanted = chance.sample(spare, chance.choice((1, 1, 1, 2, 5)) if len(spare) >= 5 else 1)
        say("assign", now_ns, wanted)
        try:
            if len(wanted) == 1:
                given = [store.assign(key(wanted[0]), now_ns)]
            else:
                given = store.assign_many([(key(each), None) for each in wanted], now_ns)
        except PoolExhausted:
            say("refused", now_ns)
        else:
            say("assigned", now_ns, [[each, assignment.address] for each, assignment in zip(wanted, given, strict=True)])
        return
    if chance.random() < 0.03:
        cidr = chance.choice(("10.0.0.0/28", "10.0.0.16/28"))
        leaving = [each.container_id for each, assignment in store.assignments() if assignment.cidr == cidr]
        say("unassign", now_ns, leaving)
        gone = store.remove_cidr("eni-0", cidr, force=True, now_ns=now_ns)
        store.add_cidr("eni-0", cidr)
    else:
        leaving = chance.sample(live, min(len(live), chance.choice((1, 1, 1, 3))))
        say("unassign", now_ns, leaving)
        gone = (
            store.unassign_many([key(each) for each in leaving], now_ns) if len(leaving) > 1 else (store.unassign(key(leaving[0]), now_ns),)
        )
    say("unassigned", now_ns, [each.address for each in gone])


def child(pipe, kind, folder, now, seed):
    def say(*message):
        os.write(pipe, json.dumps(message).encode() + b"\n")

    try:
        work(say, kind, folder, now, seed)
    except BaseException:  # noqa: BLE001 - the parent is told
        say("failed", now, traceback.format_exc())
    os._exit(1)


# --- the parent: believes what was acknowledged, and nothing else --------------------------------------------------------


class Known:
    def __init__(self):
        self.held = {}
        self.cooling = {}
        self.now = 0
        self.begun = None
        self.counts = {"kills": 0, "assigned": 0, "unassigned": 0, "kept in flight": 0, "lost in flight": 0}

    def hear(self, kind, now, *details):
        assert kind != "failed", details[0]
        self.now = now
        if kind == "restored":
            self.compare(dict(details[0]), dict(map(tuple, details[1])))
        elif kind in {"assign", "unassign"}:
            self.begun = (kind, now, details[0])
        elif kind == "assigned":
            for container, address in details[0]:
                self.take(container, address)
            self.counts["assigned"] += len(details[0])
            self.begun = None
        elif kind == "unassigned":
            self.let_go(self.begun[2], now)
            self.counts["unassigned"] += len(details[0])
            self.begun = None
        else:
            self.begun = None

    def take(self, container, address):
        assert address not in self.held.values(), f"{address} is doubled"
        assert self.cooling.get(address, 0) <= self.now, f"{address} comes back early, at {self.now} instead of {self.cooling[address]}"
        self.held[container] = address

    def let_go(self, containers, now):
        for container in containers:
            self.cooling[self.held.pop(container)] = now + COOLDOWN

    def compare(self, held, cooling):
        """Compare what was restored with the acknowledged changes and the one under way."""
        if self.begun is not None:
            kind, begun, containers = self.begun
            kept = [each for each in containers if (each in held) == (kind == "assign")]
            assert not kept or kept == containers, f"{kind} {containers} was done in part"
            if containers:
                self.counts["kept in flight" if kept else "lost in flight"] += 1
            if kept and kind == "assign":
                for each in kept:
                    self.take(each, held[each])
            elif kept:
                self.let_go(kept, begun)
            self.begun = None
        assert held == self.held, f"restored {held} instead of {self.held}"
        taken = set(held.values())
        expected = {address: until for address, until in self.cooling.items() if until > self.now and address not in taken}
        assert cooling == expected, f"restored {cooling} as cooling instead of {expected}"


def trial(known, kind, folder, chance):
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        child(writing, kind, folder, known.now + 1, chance.getrandbits(32))
    os.close(writing)
    heard = b""
    target = chance.choice((0, 1, 2, 5, 20, 60))
    if not target:
        time.sleep(chance.uniform(0, 0.02))  # while it opens the journal
    while heard.count(b"\n") < target and (more := os.read(reading, 65_536)):
        heard += more
    if target:
        time.sleep(chance.uniform(0, 0.001))  # somewhere in one of its next steps
    os.kill(pid, signal.SIGKILL)
    while more := os.read(reading, 65_536):
        heard += more
    os.close(reading)
    os.waitpid(pid, 0)
    known.counts["kills"] += 1
    for line in heard.split(b"\n")[:-1]:
        known.hear(*json.loads(line))


def main(kind, kills, seed, folder):
    chance = random.Random(seed)
    known = Known()
    for _ in range(kills):
        trial(known, kind, folder, chance)
    with KINDS[kind](folder) as journal:
        restored = journal.restore(known.now + 1)
    known.now += 1
    known.compare(
        {each.key.container_id: each.address for each in restored.assigned}, {each.address: each.until_ns for each in restored.cooling}
    )
    print(json.dumps(known.counts))  # noqa: T201 - a script


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
