"""A running node: the agent (`vpcipam agent`) gives pods their addresses and wires them; the CNI plugin (`vpcipam-cni`) asks it to.

`Agent` decides, `Wiring` is what it needs of a kernel, and `running` gives it sockets, a clock and signals. The runtime starts the plugin
(`cni`) once for each change of a pod, so the plugin imports nothing but `wire` and `notes`, and this module imports nothing at all.
"""
