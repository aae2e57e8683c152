"""Nodes that live on until their pools or their subnets fail them."""

from clusters import Cluster, documents, event_object
from worlds import mutation

from vpcipam._units import NS_PER_S

_PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
_SECONDARY = ("t3.small", "t3.medium", "m5.large", "c5.xlarge")
_CONNECTION_REFUSED = (
    'plugin type="aws-cni" name="aws-cni" failed (add): add cmd: Error received from AddNetwork gRPC call: rpc error: '
    'code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:50051: connect: '
    'connection refused"'
)


def _begin(world, instance_type, variables=None, cidr="10.0.0.0/20"):
    """A cluster of one node, and perhaps another one; return the first."""
    made = Cluster.make(instance_type, variables=variables, cidr=cidr)
    made.wait(world.chance.choice((0, 30, 70)))
    world.write(made)
    return made.nodes[0]


def _without_address(world, here, count=0):
    """Bind more pods than a node has addresses for."""
    world.cluster.fill(here)
    for _ in range(count or world.chance.randint(1, 4)):
        world.cluster.pod(here)
    world.cluster.wait(5)
    world.live_on()
    return True


def _until_one_waits(world, here):
    while not here.waiting:
        world.cluster.pod(here)
    world.live_on()


# --- no address --------------------------------------------------------------------------------------------------------------


@mutation("no-address-all-held")
def _(world):
    return _without_address(world, _begin(world, world.chance.choice(("t3.small", "t3.medium", "m5.large"))))


@mutation("no-address-cooling")
def _(world):
    here = _begin(world, world.chance.choice(("t3.small", "t3.medium", "m5.large")))
    _without_address(world, here)
    count = world.chance.randint(1, 3)
    for key in world.chance.sample(sorted(here.pods), count):
        world.cluster.end(here, key)
    world.cluster.wait(world.chance.randint(1, 20))
    world.live_on()
    return True


def _full_subnet(world, leave, variables=None):
    """A node in a subnet that others fill."""
    here = _begin(world, "m5.large", variables, "10.0.0.0/24")
    model = world.cluster.model
    while (free := model.subnets[0].available_ip_address_count) > leave:
        count = min(9, free - leave - 1)
        model.create_network_interface(subnet_id=world.cluster.subnet_id, secondary_ip_count=count, now_ns=world.cluster.now_ns)
    return here


@mutation("no-room-for-prefix")
def _(world):
    _full_subnet(world, world.chance.randint(0, 15), _PREFIXES)
    world.live_on()
    return True


@mutation("no-address-subnet-full", "no-room-for-addresses", "ec2-errors-counted")
def _(world):
    here = _full_subnet(world, world.chance.randint(0, 8))
    world.cluster.fill(here)
    world.live_on()
    return bool(here.waiting)


def _occupy_blocks(world, here):
    """Let others have an address or two in each free /28 of a /24."""
    taken = {int(text.split(".")[3].partition("/")[0]) // 16 for each in here.datastore.eni_ids for text in here.datastore.cidrs(each)}
    taken |= {
        int(eni.private_ip.rpartition(".")[2]) // 16 for eni in world.cluster.model.describe_network_interfaces(now_ns=world.cluster.now_ns)
    }
    for block in range(1, 15):
        if block in taken:
            continue
        for offset in world.chance.sample(range(16), world.chance.randint(1, 2)):
            address = f"10.0.0.{block * 16 + offset}"
            world.cluster.model.create_network_interface(subnet_id=world.cluster.subnet_id, private_ip=address, now_ns=world.cluster.now_ns)


@mutation("no-address-no-prefix", "no-room-for-prefix", "no-free-prefix", "ec2-errors-counted")
def _(world):
    here = _begin(world, "m5.large", _PREFIXES, "10.0.0.0/24")
    _occupy_blocks(world, here)
    world.cluster.fill(here)
    world.live_on()
    return bool(here.waiting)


@mutation("no-free-prefix", "no-room-for-prefix")
def _(world):
    here = _begin(world, world.chance.choice(("t3.medium", "m5.large", "c5.xlarge")), _PREFIXES, "10.0.0.0/24")
    _occupy_blocks(world, here)
    world.live_on()
    return True


@mutation("no-address-trunk-reserve", "trunk-expected", "trunk-unused", "max-pods-above-addresses")
def _(world):
    here = _begin(world, world.chance.choice(("m5.large", "c5.xlarge")), {"ENABLE_POD_ENI": "true"})
    return _without_address(world, here)


@mutation("no-address-cordoned")
def _(world):
    here = _begin(world, world.chance.choice(("m5.large", "c5.xlarge", "t3.medium")))
    here.cordoned = here.node.cordoned = True
    while len(here.waiting) < world.chance.randint(1, 5):
        world.cluster.pod(here)
    world.cluster.wait(10)
    world.live_on()
    return True


@mutation("no-address-growth-off")
def _(world):
    here = _begin(world, world.chance.choice(("t3.medium", "m5.large", "c5.xlarge")))
    _until_one_waits(world, here)
    world.set_variables(DISABLE_NETWORK_RESOURCE_PROVISIONING="true")
    return True


@mutation("no-address-permission")
def _(world):
    """ipamd says so in an event."""
    here = _begin(world, world.chance.choice(("t3.small", "t3.medium", "m5.large")))
    _without_address(world, here)
    call = world.chance.choice(("CreateNetworkInterface", "AssignPrivateIpAddresses", "AttachNetworkInterface"))
    message = f"Unauthorized operation: failed to call ec2:{call} due to missing permissions."
    event = event_object(f"Pod kube-system/aws-node-{here.instance_id[-5:]}", "MissingIAMPermissions", message, world.cluster.now_ns)
    world.made["events"]["items"].append(event)
    return True


def _count_errors(world, here, api, code):
    world.made[f"{here.name}/metrics.txt"] += f'awscni_aws_api_error_count{{api="{api}",error="{code}"}} {world.chance.randint(1, 50)}\n'


@mutation("no-address-permission", "ec2-errors-counted")
def _(world):
    """ipamd says so in its metrics."""
    here = _begin(world, world.chance.choice(("t3.medium", "m5.large")))
    _until_one_waits(world, here)
    _count_errors(world, here, "CreateNetworkInterface", "UnauthorizedOperation")
    return True


@mutation("no-address-ec2-refuses", "ec2-errors-counted")
def _(world):
    here = _begin(world, world.chance.choice(("t3.medium", "m5.large", "c5.xlarge")))
    _until_one_waits(world, here)
    _count_errors(world, here, "AttachNetworkInterface", world.chance.choice(("InvalidParameterValue", "AttachmentLimitExceeded")))
    return True


def _fail(world, here, message=None, reason="FailedCreatePodSandBox"):
    """A pod has no address in Kubernetes though ipamd has one for it; an event tells of it."""
    pod = here.pods[next(iter(here.pods))]
    for each in world.made["pods"]["items"]:
        if each["metadata"]["name"] == pod.name:
            each["status"] = {"phase": "Pending"}
    if message:
        world.made["events"]["items"].append(event_object(f"Pod {pod}", reason, message, world.cluster.now_ns))
    else:
        here.failed_ns[pod] = world.cluster.now_ns
        world.made["events"] = documents(world.cluster)["events"]


@mutation("no-address-ipamd-down")
def _(world):
    """ipamd doesn't answer, so there is no /v1/enis either."""
    here = world.node(lambda here: here.pods)
    if here is None or any(each.waiting for each in world.cluster.nodes):
        return False
    world.drop("enis.json")
    _fail(world, here, _CONNECTION_REFUSED)
    return True


@mutation("no-address-ipamd-down")
def _(world):
    """aws-node has not set up the CNI plugin."""
    here = world.node(lambda here: here.pods)
    if here is None or any(each.waiting for each in world.cluster.nodes):
        return False
    world.drop("enis.json")
    _fail(world, here, "network is not ready: container runtime network not ready: NetworkReady=false", "NetworkNotReady")
    return True


@mutation("no-address-no-branch-eni", "trunk-expected", "trunk-unused", "max-pods-above-addresses")
def _(world):
    """The VPC resource controller has no branch ENI for a pod."""
    here = _begin(world, world.chance.choice(("m5.large", "c5.xlarge")), {"ENABLE_POD_ENI": "true"})
    world.cluster.pod(here)
    world.live_on()
    if world.chance.choice((True, False)):
        _fail(world, here, "failed to allocate branch ENI to pod: no room", "BranchAllocationFailed")
    else:
        _fail(world, here)
    for each in world.made["pods"]["items"]:
        if each["status"] == {"phase": "Pending"}:
            each["spec"]["containers"] = [{"resources": {"limits": {"vpc.amazonaws.com/pod-eni": "1"}}}]
    return True


@mutation("no-address-passing")
def _(world):
    """The node grows."""
    here = _begin(world, world.chance.choice(("t3.medium", "m5.large", "c5.xlarge")))
    _until_one_waits(world, here)
    return True


@mutation("no-address-passing")
def _(world):
    """ipamd has a free address."""
    here = _begin(world, world.chance.choice(_SECONDARY))
    world.cluster.pod(here)
    world.live_on()
    _fail(world, here)
    return True


@mutation("no-address-unexplained")
def _(world):
    _without_address(world, _begin(world, world.chance.choice(("t3.small", "t3.medium"))))
    lacking = ("enis.json", "ipam.json", "metrics.txt")
    world.drop(*lacking, *world.chance.choice(((), ("daemonset",), ("network-interfaces", "instances"))))
    return True


@mutation("subnet-mostly-spare", "warm-pool-explained")
def _(world):
    """Many nodes with few pods in a small subnet."""
    made = Cluster.make(*["m5.large"] * 10, variables=world.chance.choice(({}, {"WARM_IP_TARGET": "18"})), cidr="10.0.0.0/24")
    for here in made.nodes:
        made.pod(here)
    made.wait(world.chance.randint(30, 90))
    world.write(Cluster.make("m5.large"))
    world.cluster = made
    world.live_on()
    return True


# --- targets and cooldowns ---------------------------------------------------------------------------------------------------


def _sleep(world, seconds):
    """Let time pass without a tick of any node: as if their ipamds hung, or were refused."""
    world.cluster.now_ns += seconds * NS_PER_S


def _surplus(world, seconds):
    """A node that has kept addresses beyond its targets for so long."""
    chance = world.chance
    here = _begin(world, chance.choice(("t3.medium", "m5.large", "c5.xlarge")), {"WARM_IP_TARGET": str(chance.randint(1, 3))})
    for _ in range(min(chance.randint(8, 12), here.room)):
        world.cluster.pod(here)
    world.cluster.wait(90)
    for key in chance.sample(sorted(here.pods), chance.randint(6, 7)):
        world.cluster.end(here, key)
    _sleep(world, seconds)
    world.cluster.pod(here)
    world.live_on()
    return True


@mutation("more-than-targets-ask")
def _(world):
    return _surplus(world, world.chance.randint(300, 5_000))


@mutation("warm-pool-explained")
def _(world):
    """A surplus that is to be given back any time. All of it can cool."""
    return _surplus(world, world.chance.randint(0, 299))


@mutation("fewer-than-targets-ask")
def _(world):
    """Pods came long ago, and the node did not grow."""
    here = _begin(world, world.chance.choice(("t3.medium", "m5.large", "c5.xlarge")), {"WARM_IP_TARGET": str(world.chance.randint(3, 5))})
    world.cluster.wait(70)
    for _ in range(here.node.stats(world.cluster.now_ns).available_count):
        world.cluster.pod(here)
    world.cluster.end(here, next(iter(here.pods)))
    _sleep(world, world.chance.randint(300, 5_000))
    world.cluster.end(here, next(iter(here.pods)))
    world.live_on()
    return True


@mutation("fewer-for-now", "warm-pool-explained")
def _(world):
    """Pods came a moment ago, and ipamd has not asked for more yet; the files have no times."""
    here = _begin(world, world.chance.choice(("t3.medium", "m5.large", "c5.xlarge")), {"WARM_IP_TARGET": str(world.chance.randint(3, 5))})
    world.cluster.wait(70)
    for _ in range(world.chance.randint(1, here.node.stats(world.cluster.now_ns).available_count)):
        world.cluster.pod(here)
    world.live_on()
    world.drop("enis.json", *world.chance.choice(((), ("ipam.json",))))
    return True


@mutation("more-than-ever-asked", "max-pods-below-figures")
def _(world):
    """The kubelet has a lower max-pods now, and ipamd keeps what it has."""
    here = _begin(world, world.chance.choice(("m5.large", "c5.xlarge")), {"WARM_ENI_TARGET": "3"})
    world.cluster.wait(70)
    world.live_on()
    world.node_object(here)["status"]["capacity"]["pods"] = "4"
    world.drop(*world.chance.choice(((), ("enis.json",))))
    return True


@mutation("all-free-cool")
def _(world):
    here = _begin(world, world.chance.choice(("t3.small", "t3.medium", "m5.large")))
    world.cluster.fill(here)
    for key in world.chance.sample(sorted(here.pods), world.chance.randint(1, 3)):
        world.cluster.end(here, key)
    world.cluster.wait(world.chance.randint(1, 20))
    world.live_on()
    return True
