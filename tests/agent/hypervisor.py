"""Instances of an EC2 as namespaces: what EC2 attaches appears as an interface, and the fabric delivers what EC2 has assigned."""

import ipaddress
import threading

import lab


class Hypervisor:
    """Keeps namespaces in step with the instances of an EC2.

    Args:
        vpc: the fabric.
        ec2: anything that lists ENIs with their MACs.
    """

    def __init__(self, vpc, ec2):
        self.vpc = vpc
        self.ec2 = ec2
        self.nodes = {}  # namespaces, by instance id
        self.enis = {}  # ports of the fabric, by ENI id
        self._owned = {}  # CIDRs, by ENI id
        self._stopping = threading.Event()

    def boot(self, instance_id, name):
        """Make the namespace of an instance: its primary ENI is up and has its address."""
        namespace = self.nodes[instance_id] = self.vpc.namespace(name)
        namespace.sysctl("net/ipv4/ip_forward", 1)
        self.sync()
        (primary,) = (eni for eni in self.enis.values() if eni.namespace is namespace and eni.device == "eth0")
        namespace.link("eth0", state="up")
        commands = [f"address add {primary.primary}/24 dev eth0", f"route add default via {lab.V4_GATEWAY} dev eth0"]
        if primary.primary_v6:
            commands += [f"address add {primary.primary_v6}/128 dev eth0 nodad", f"route add {lab.V6_GATEWAY} dev eth0"]
            commands += [f"route add default via {lab.V6_GATEWAY} dev eth0"]
        namespace.run("ip", "-batch", "-", text="\n".join(commands))
        return namespace

    def sync(self):
        """Attach, detach and route as EC2 has it now."""
        shown = {eni.eni_id: eni for eni in self.ec2.describe_network_interfaces(now_ns=0) if eni.attachment}
        for eni_id in {*self.enis} - {*shown}:
            self.enis.pop(eni_id).detach()
            del self._owned[eni_id]
        for eni_id, eni in shown.items():
            namespace = self.nodes.get(eni.attachment.instance_id)
            if namespace is None:
                continue
            if eni_id not in self.enis:
                card = eni.attachment.network_card_index
                device = f"eth{eni.attachment.device_index}" + (f"c{card}" if card else "")
                self.enis[eni_id] = self.vpc.attach(
                    namespace, device, eni.mac_address, eni.private_ip, primary_v6=next(iter(eni.ipv6_addresses), None)
                )
                self._owned[eni_id] = set()
            cidrs = {str(ipaddress.ip_network(each)) for each in (*eni.secondary_ips, *eni.ipv4_prefixes, *eni.ipv6_prefixes)}
            self.enis[eni_id].own(*cidrs - self._owned[eni_id])
            self.enis[eni_id].disown(*self._owned[eni_id] - cidrs)
            self._owned[eni_id] = cidrs

    def __enter__(self):
        """Sync in a thread, several times a second."""

        def work():
            while not self._stopping.wait(0.1):
                self.sync()

        self._thread = threading.Thread(target=work)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()
