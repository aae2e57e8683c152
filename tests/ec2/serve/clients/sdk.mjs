// The AWS SDK for JavaScript against the server: calls, a paginator, an error, a dry run.
import * as ec2 from "@aws-sdk/client-ec2";

const client = new ec2.EC2Client({ endpoint: process.argv[2], region: "us-east-1", credentials: { accessKeyId: "any", secretAccessKey: "any" } });
const { Vpc } = await client.send(new ec2.CreateVpcCommand({ CidrBlock: "10.8.0.0/16" }));
const { Subnet } = await client.send(new ec2.CreateSubnetCommand({ VpcId: Vpc.VpcId, CidrBlock: "10.8.1.0/24" }));
const made = await Promise.all([1, 2, 3, 4, 5, 6, 7].map(() => client.send(new ec2.CreateNetworkInterfaceCommand({ SubnetId: Subnet.SubnetId, Ipv4PrefixCount: 1 }))));
const seen = [];
for await (const page of ec2.paginateDescribeNetworkInterfaces({ client, pageSize: 5 }, { Filters: [{ Name: "subnet-id", Values: [Subnet.SubnetId] }] }))
  seen.push(page.NetworkInterfaces.length);
const nameOf = async command => { try { await client.send(command); return "none"; } catch (error) { return error.name; } };
console.log(JSON.stringify({
  prefixes: made.map(each => each.NetworkInterface.Ipv4Prefixes[0].Ipv4Prefix).sort(),
  pages: seen,
  missing: await nameOf(new ec2.DescribeVpcsCommand({ VpcIds: ["vpc-0"] })),
  dry: await nameOf(new ec2.CreateVpcCommand({ CidrBlock: "10.9.0.0/16", DryRun: true })),
  notModelled: await nameOf(new ec2.DescribeVolumesCommand({})),
}));
