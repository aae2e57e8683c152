"""What the kernel of a node has, broken."""

from clusters import kernel_values
from kernel_texts import kernel_documents
from worlds import mutation

from vpcipam.datapath.values import Route, Rule, XtablesChain, XtablesRule

LEFT = "10.0.15.250"  # an address that no ENI has


def kernel(world, fits=bool):
    """A node that fits, and what its kernel has; None if there is none. The documents about other kernels are not there."""
    here = world.node(fits)
    if here is None:
        return None
    values = kernel_values(world.cluster, here)
    for made in (world.healthy, world.made):
        made |= {f"{here.name}/{name}": content for name, content in kernel_documents(values).items()}
    return here, values


def write(world, here, values):
    world.made |= {f"{here.name}/{name}": content for name, content in kernel_documents(values).items()}
    return True


def changed(fits=bool):
    """Register a mutation that changes what the kernel of a node has; the function returns what it has then, or None."""

    def decorate(function):
        def mutate(world):
            found = kernel(world, fits)
            if found is None:
                return False
            here, values = found
            after = function(world, here, values)
            return after is not None and write(world, here, after)

        mutate.__module__ = __name__
        return mutate

    return decorate


def has_pods(here):
    return bool(here.pods)


def has_pods_on_second_eni(here):
    return bool(second(here))


def second(here):
    """The addresses of pods on further ENIs, and these ENIs' tables."""
    return {each.address: each.device_number + 1 for _, each in here.datastore.assignments() if each.device_number}


def without(values, kind, **attributes):
    """The values without those of a kind that have some attributes; None if there are none."""
    gone = {each for each in values if isinstance(each, kind) and all(getattr(each, name) == value for name, value in attributes.items())}
    return values - gone if gone else None


@mutation("rule-without-pod")
@changed()
def _(world, here, values):
    del here
    return values | {world.chance.choice((Rule(destination=LEFT, table=254, priority=512), Rule(source=LEFT, table=3, priority=1536)))}


@mutation("pod-without-rule")
@changed(has_pods)
def _(world, here, values):
    address = world.chance.choice([each[0] for each in here.held()])
    return without(values, Rule, destination=f"{address}/32", priority=512)


@mutation("pod-without-rule")
@changed(has_pods_on_second_eni)
def _(world, here, values):
    return without(values, Rule, source=f"{world.chance.choice([*second(here)])}/32", priority=1536)


@mutation("pod-rule-to-wrong-table")
@changed(has_pods_on_second_eni)
def _(world, here, values):
    address, table = world.chance.choice([*second(here).items()])
    more = Rule(source=address, table=table + 7, priority=1536)
    return world.chance.choice((values, without(values, Rule, source=f"{address}/32"))) | {more}


@mutation("pod-without-route")
@changed(has_pods)
def _(world, here, values):
    return without(values, Route, destination=f"{world.chance.choice([each[0] for each in here.held()])}/32")


@mutation("route-without-pod")
@changed()
def _(world, here, values):
    del world, here
    return values | {Route(destination=f"{LEFT}/32", device="eni0123456789a")}


@mutation("eni-table-without-route")
@changed(has_pods_on_second_eni)
def _(world, here, values):
    return without(values, Route, destination="0.0.0.0/0", table=world.chance.choice([*second(here).values()]))


@mutation("eni-rule-left")
@changed()
def _(world, here, values):
    del world, here
    return values | {Rule(source=LEFT, table=5, priority=32765)}


@mutation("mark-rule-missing")
@changed()
def _(world, here, values):
    del here
    wrong = {Rule(priority=1024, mark=0x100, mask=0x100, table=254)}
    return without(values, Rule, priority=1024) | world.chance.choice((set(), wrong))


@mutation("snat-missing")
@changed()
def _(world, here, values):
    del here
    chain = XtablesChain(table="nat", name="AWS-SNAT-CHAIN-0")
    return world.chance.choice(
        (without(values, XtablesRule, chain="POSTROUTING"), without(values, XtablesChain, name=chain.name) | {chain})
    )


@mutation("snat-left")
@changed()
def _(world, here, values):
    del here
    world.set_variables(AWS_VPC_K8S_CNI_EXTERNALSNAT="true")
    return values


@mutation("marks-missing")
@changed()
def _(world, here, values):
    del here
    rules = [each for each in values if isinstance(each, XtablesRule) and each.table == "mangle" and "vlan+" not in each.rule]
    return values - {world.chance.choice(sorted(rules, key=repr))}


@mutation("strict-rp-filter")
def _(world):
    found = kernel(world)
    if found is None:
        return False
    strict = world.chance.choice(("all", "eth0"))
    loose = {"all", "eth0"} - {strict}
    lines = [f"net.ipv4.conf.{strict}.rp_filter = 1", *(f"net.ipv4.conf.{name}.rp_filter = 0" for name in loose)]
    world.made[f"{found[0].name}/sysctl.txt"] = "\n".join([*lines, ""])
    return True
