"""The state of the EC2 model: VPCs, subnets, ENIs, instances, and the rules for changing them."""
