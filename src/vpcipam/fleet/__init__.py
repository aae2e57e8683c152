"""A fleet of nodes in time: scenarios, workloads, the event loop, what is measured, and searches over settings."""
