"""Read a network namespace back into the values of the plans. Needs pyroute2.

So a check, a garbage collection, and "nothing is left" are differences of sets:

    from vpcipam.datapath.read import read

    missing = expected(plan) - read()
"""

from collections.abc import Iterable
from typing import get_args

from vpcipam.datapath import netlink, programs
from vpcipam.datapath.namespaces import in_thread, opened
from vpcipam.datapath.values import OfNetlink, Readable
from vpcipam.errors import DatapathError


def read(
    namespace: str | None = None, *, sysctls: Iterable[str] = (), filters: bool = True, encryption: bool = False
) -> frozenset[Readable]:
    """Read what a namespace has: links, addresses, permanent neighbours, unicast routes, rules, and the filters.

    What no value can express is left out: routes with several next hops, rules with other selectors or actions, sets of nftables.

    Args:
        namespace: its path, such as `/run/netns/blue`; None is that of the calling thread.
        sysctls: the names of the kernel settings to read, as in `Sysctl`. One that the kernel lacks is left out.
        filters: whether to read iptables and nftables too; a pod has none.
        encryption: whether to read the states and policies of pod encryption too. The states have the keys.

    Raises:
        DatapathError: the kernel or a program refuses.
        UnknownNamespace: the path is not that of a namespace.
    """

    def work() -> frozenset[Readable]:
        found: set[Readable] = set()
        with opened({"host": namespace}), netlink.Socket() as ipr:
            for kind in get_args(OfNetlink):
                found.update(netlink.read(ipr, kind))
            found.update(programs.read_filters() if filters else ())
            found.update(programs.read_xfrm() if encryption else ())
            found.update(programs.read_sysctls(sysctls))
        return frozenset(found)

    try:
        return in_thread(work)
    except OSError as error:
        raise DatapathError(f"the namespace {namespace or 'of this process'} can't be read: {error.strerror}; run as root") from error
