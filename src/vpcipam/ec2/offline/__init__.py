"""The server side of the offline boto3 client in `vpcipam.ec2.fake`: it parses EC2 requests and formats EC2 answers."""
