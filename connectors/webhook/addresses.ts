import { BlockList, isIP } from 'node:net'

/** Networks that are no part of the public Internet: RFC 6890 and those that came later. */
const PRIVATE_4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const

/** Of IPv6 only 2000::/3 is public, without what embeds IPv4 addresses or is for documents. */
const PUBLIC_6 = ['2000::', 3] as const
const PRIVATE_6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const

const private4 = new BlockList()
for (const [network, bits] of PRIVATE_4) private4.addSubnet(network, bits, 'ipv4')
const public6 = new BlockList()
public6.addSubnet(...PUBLIC_6, 'ipv6')
const private6 = new BlockList()
for (const [network, bits] of PRIVATE_6) private6.addSubnet(network, bits, 'ipv6')

/** Whether an IP address is of the public Internet. What is no IP address is not. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !private4.check(address, 'ipv4')
    case 6:
      return public6.check(address, 'ipv6') && !private6.check(address, 'ipv6')
    default:
      return false
  }
}
