"""EC2's address side: what a node asks of it (`api`), and a faithful model that answers (`model`)."""
