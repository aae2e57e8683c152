"""Every short program on a tiny node, against the naive datastore: two addresses, two sandboxes, a cooldown of 1 ns."""

from itertools import product

import pytest
from datastore_worlds import FlakyJournal, JournalDownError, key
from naive_datastore import NaiveDatastore

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.errors import VpcIpamError

CALLS = (
    ("assign", key("a")),
    ("assign", key("b")),
    ("unassign", key("a")),
    ("assign_at", key("b"), "10.0.0.1"),
    ("remove_cidr", "eni-0", "10.0.0.1", True),
    ("add_cidr", "eni-0", "10.0.0.1"),
    ("tick",),
    ("exclude or include",),
    ("fail or work again",),
)


def outcome(store, call, now_ns):
    name, *arguments = call
    try:
        if name == "add_cidr":
            return store.add_cidr(*arguments)
        if name == "remove_cidr":
            *arguments, force = arguments
            return store.remove_cidr(*arguments, force=force, now_ns=now_ns)
        return getattr(store, name)(*arguments, now_ns)
    except (VpcIpamError, JournalDownError) as error:
        return type(error)


@pytest.mark.thorough
@pytest.mark.parametrize("start", [(CALLS[0],), (CALLS[0], CALLS[2])], ids=["a pod", "an address that cools"])
def test_every_program_of_four_calls_agrees_with_the_naive_datastore(start, record_property):
    record_property("programs of tiny worlds", len(CALLS) ** 4)
    for program in product(CALLS, repeat=4):
        journal = FlakyJournal()
        store = Datastore(mode=AddressMode.SECONDARY_IP, cooldown_ns=1, journal=journal)
        naive = NaiveDatastore(AddressMode.SECONDARY_IP, 1, "lowest", 0, journalled=True)
        for each in (store, naive):
            each.add_eni("eni-0", device_number=0, now_ns=0)
            each.add_cidr("eni-0", "10.0.0.1/32")
            each.add_cidr("eni-0", "10.0.0.2/32")
        now_ns = 0
        excluded = False
        for call in (*start, *program):
            if call[0] == "tick":
                now_ns += 1
            elif call[0] == "fail or work again":
                journal.down = naive.journal_down = not journal.down
            elif call[0] == "exclude or include":
                excluded = not excluded
                for each in (store, naive):
                    each.set_excluded("eni-0", excluded=excluded)
            else:
                assert outcome(store, call, now_ns) == outcome(naive, call, now_ns), program
        assert list(store.assignments()) == naive.assignments(), program
        assert [store.cooling_until(f"10.0.0.{last}") for last in (1, 2)] == [naive.cooling_until(f"10.0.0.{last}") for last in (1, 2)]
        assert store.stats(now_ns) == naive.stats(now_ns)
        store._check()
