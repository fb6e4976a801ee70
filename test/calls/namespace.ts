import { spawnSync } from 'node:child_process';
import type { Report } from './report.ts';
import { tool } from './tools.ts';

const INSIDE = 'LUMEN_COMM_NETWORK_NAMESPACE';

/** Simulates faults of the network that all pages share. */
export interface Network {
  /** Drops all UDP packets (media) until `during` resolves. TCP connections are not affected. */
  readonly withoutUdp: (during: () => Promise<unknown>) => Promise<void>;
  /** Resets connections to a local port and refuses new ones until `during` resolves. */
  readonly withoutPort: (port: number, during: () => Promise<unknown>) => Promise<void>;
}

/**
 * Runs the calling script again in its own network namespace, isolated from the host.
 *
 * @returns the network inside the namespace; outside, `undefined` if the tools are missing, otherwise the process exits
 */
export function network(report: Report): Network | undefined {
  const iptables = tool('iptables', 'iptables');
  const ip = tool('ip', 'iproute2');
  const unshare = tool('unshare', 'util-linux');
  if (iptables === undefined || ip === undefined || unshare === undefined || process.getuid?.() !== 0) {
    report.missing('network faults need root, ip, iptables and unshare');
    return undefined;
  }
  if (process.env[INSIDE] === undefined) {
    const args = ['--net', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
    const { status } = spawnSync(unshare, args, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
    process.exit(status ?? 1);
  }
  run(ip, 'link', 'set', 'lo', 'up');
  // Firefox gathers candidates on the interface of the default route, and none on loopback addresses.
  run(ip, 'address', 'add', '192.0.2.2/24', 'dev', 'lo');
  run(ip, 'route', 'add', 'default', 'dev', 'lo', 'src', '192.0.2.2');
  const during = async (rule: readonly string[], task: () => Promise<unknown>): Promise<void> => {
    run(iptables, '-A', 'INPUT', ...rule);
    try {
      await task();
    } finally {
      run(iptables, '-D', 'INPUT', ...rule);
    }
  };
  return {
    withoutUdp: (task) => during(['-p', 'udp', '-j', 'DROP'], task),
    withoutPort: (port, task) =>
      during(['-p', 'tcp', '--dport', String(port), '-j', 'REJECT', '--reject-with', 'tcp-reset'], task),
  };
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}
