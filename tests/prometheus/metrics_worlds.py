"""What the tests of metrics share: watched datastores and nodes, and what their texts say."""

import threading
from collections import Counter

import exposition

from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.limits import instance_limits
from vpcipam.node import Node
from vpcipam.prometheus import IpamMetrics
from vpcipam.sandbox import SandboxKey
from vpcipam.settings import Settings

ALWAYS_THERE = {
    "awscni_add_ip_req_count": 0,
    "awscni_del_ip_req_count": {"PodDeleted": 0},
    "awscni_force_removed_enis": 0,
    "awscni_force_removed_ips": 0,
    "awscni_ipamd_error_count": dict.fromkeys(
        ("increaseIPPoolAllocENI", "increaseIPPoolAllocIPAddressesFailed", "decreaseIPPoolFreeENIFailed", "reconcileFailedGetENIs"), 0
    ),
    "awscni_no_available_ip_addresses": 0,
    "awscni_reconcile_count": dict.fromkeys(
        ("eniReconcileAdd", "eniReconcileDel", "eniDataStorePoolReconcileAdd", "eniIPPoolReconcileDel"), 0
    ),
}


def key(name):
    return SandboxKey("aws-cni", str(name), "eth0")


def watched_store(*cidrs, eni_id="eni-0", **arguments):
    """A datastore with one ENI, and its metrics."""
    metrics = IpamMetrics()
    store = Datastore(on_event=metrics, **arguments)
    metrics.watch(store)
    add_eni(store, eni_id, *cidrs)
    return store, metrics


def add_eni(store, eni_id, *cidrs, device_number=0):
    store.add_eni(eni_id, device_number=device_number, now_ns=0)
    for cidr in cidrs:
        store.add_cidr(eni_id, cidr)


def values(metrics, now_ns=0):
    return exposition.values(metrics.text(now_ns))


class World:
    """A node on an EC2 model, with its metrics and a list of what it told."""

    def __init__(self, instance_type="t3.small", variables=None, *, cidr="10.0.0.0/24", conditions=None, ipv6=False, journals=()):
        self.model = Ec2Model(conditions=conditions)
        self.vpc_id = self.model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56" if ipv6 else None).vpc_id
        self.subnet_id = self.model.create_subnet(self.vpc_id, cidr, ipv6_cidr="2001:db8::/64" if ipv6 else None).subnet_id
        self.settings = Settings().with_variables(variables or {})
        self.limits = instance_limits(instance_type)
        self.instance_id = self.model.launch_instance(self.limits, self.subnet_id, now_ns=0).instance_id
        self.journals = journals
        self.now_ns = 0
        self.new_process()

    def new_process(self):
        """Begin with a new node on the instance, and new metrics, as ipamd does when it is started again."""
        self.metrics = IpamMetrics()
        self.seen = []
        self.node = Node(
            self.limits,
            self.settings,
            self.metrics.count_calls(self.model),
            subnet_id=self.subnet_id,
            instance_id=self.instance_id,
            journals=self.journals,
            on_event=self.note,
        )
        self.metrics.watch(self.node)
        self.others = Counter(self.model.call_counts)  # those that are not the node's

    def note(self, event):
        self.seen.append(event)
        self.metrics(event)

    def values(self):
        return values(self.metrics, self.now_ns)

    def calls(self):
        """The node's own calls, as the model counts them."""
        return Counter(self.model.call_counts) - self.others

    def foreign(self, act):
        """Do something in EC2 that is not the node's doing; tell whether it was granted."""
        before = Counter(self.model.call_counts)
        try:
            act(self.model)
        except Ec2Error:
            return False
        finally:
            self.others += Counter(self.model.call_counts) - before
        return True


def run_at_once(*jobs):
    """Run jobs in threads of their own, all at once; one that hangs is an error."""
    barrier, errors = threading.Barrier(len(jobs)), []

    def run(job):
        barrier.wait()
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - the test tells of it
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []
