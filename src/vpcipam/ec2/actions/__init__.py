"""The actions of the EC2 model, one class for each family; `vpcipam.ec2.model.Ec2Model` combines them."""
