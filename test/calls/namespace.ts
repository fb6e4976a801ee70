import { spawnSync } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import type { Report } from './report.ts';
import { tool } from './tools.ts';

const INSIDE = 'LUMEN_COMM_NETWORK_NAMESPACE';

/** Faults of the one network that everybody here is on. */
export interface Network {
  /** No media in either direction; sockets are TCP and stay. */
  readonly withoutUdp: (ms: number) => Promise<void>;
  /** Connections to a port of this machine are reset, and new ones refused, until `during` is done. */
  readonly withoutPort: (port: number, during: () => Promise<void>) => Promise<void>;
}

/**
 * Runs the script that calls it in a network namespace of its own, where nothing else is disturbed and nothing gets out.
 *
 * @returns the network inside; nothing outside, where the script that runs inside has reported
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
  // Firefox looks for its candidates where the default route leads, and takes none of loopback's own.
  run(ip, 'address', 'add', '192.0.2.2/24', 'dev', 'lo');
  run(ip, 'route', 'add', 'default', 'dev', 'lo', 'src', '192.0.2.2');
  const during = async (rule: readonly string[], task: () => Promise<void>): Promise<void> => {
    run(iptables, '-A', 'INPUT', ...rule);
    try {
      await task();
    } finally {
      run(iptables, '-D', 'INPUT', ...rule);
    }
  };
  return {
    withoutUdp: (ms) => during(['-p', 'udp', '-j', 'DROP'], () => wait(ms)),
    withoutPort: (port, task) =>
      during(['-p', 'tcp', '--dport', String(port), '-j', 'REJECT', '--reject-with', 'tcp-reset'], task),
  };
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}
