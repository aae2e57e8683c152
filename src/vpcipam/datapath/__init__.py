"""The datapath: what the kernel of a node has for its pods, as values.

Plans are pure functions that return `Step` values; nothing here touches a kernel but `vpcipam.datapath.apply` and `vpcipam.datapath.read`.
"""
