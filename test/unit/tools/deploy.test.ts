import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import manifest from '../../../packages/server/package.json' with { type: 'json' };
import { HELP, parseCommand } from '../../../src/server/cli/options.ts';

const folder = path.resolve(import.meta.dirname, '../../../deploy');
const files = readdirSync(folder).map((name): [string, string] => [
  name,
  readFileSync(path.join(folder, name), 'utf8'),
]);

function textOf(name: string): string {
  return readFileSync(path.join(folder, name), 'utf8');
}

/** Parses the documents of a YAML file. Throws for errors and warnings, such as a key that is given twice. */
function documentsOf(name: string): unknown[] {
  return parseAllDocuments(textOf(name), { merge: true }).map((document) => {
    for (const problem of [...document.errors, ...document.warnings]) throw problem;
    return document.toJS() as unknown;
  });
}

interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

interface ComposeService {
  readonly image?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, { condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Selector {
  readonly matchLabels: Readonly<Record<string, string>>;
}

interface Deployment {
  readonly spec: {
    readonly replicas: number;
    readonly selector: Selector;
    readonly template: {
      readonly metadata: Selector & {
        readonly labels: unknown;
        readonly annotations: Readonly<Record<string, string>>;
      };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly {
          readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
          readonly env: readonly { readonly name: string; readonly value?: string }[];
          readonly startupProbe: Probe;
          readonly livenessProbe: Probe;
          readonly readinessProbe: Probe;
        }[];
      };
    };
  };
}

/** Returns the default port of the command line. */
function defaultPort(): number {
  const command = parseCommand([], {});
  if (command.type !== 'serve') throw new Error('The default command serves');
  return command.options.port;
}

/** The program of the package, as it is installed in a directory. */
const PROGRAM = `node_modules/${manifest.name}/${manifest.bin['lumen-comm-server'].replace('./', '')}`;

test.each(files)('the variables in deploy/%s are options of the server', (_, text) => {
  const names = [...new Set(text.match(/LUMEN_COMM_[A-Z_]+/g))];
  const flags = names.map((name) => `--${name.replace('LUMEN_COMM_', '').toLowerCase().replaceAll('_', '-')}`);
  expect(flags.filter((flag) => !HELP.includes(`${flag} `))).toEqual([]);
});

test('the Dockerfile runs the installed program as an unprivileged user, and checks its health', () => {
  const dockerfile = textOf('Dockerfile');
  expect(dockerfile).toMatch(/^USER node$/m);
  expect(dockerfile).toContain(`http://127.0.0.1:${defaultPort()}/healthz`);
  expect(dockerfile).toMatch(new RegExp(`^EXPOSE ${defaultPort()}$`, 'm'));
  // A shell would not pass SIGTERM on.
  const command = /^CMD (\[.+\])$/m.exec(dockerfile.slice(dockerfile.indexOf('EXPOSE')))?.[1] ?? '[]';
  expect(JSON.parse(command)).toEqual(['node', PROGRAM, 'serve']);
  const settings: Record<string, string> = {};
  for (const [, name = '', value = ''] of dockerfile.matchAll(/(LUMEN_COMM_\w+)=(\S+)/g)) settings[name] = value;
  // In production it requires a way to verify users.
  expect(parseCommand(['--jwks-url', 'https://id.example.com'], settings)).toMatchObject({
    type: 'serve',
    options: { host: '0.0.0.0', files: { backend: '/files' } },
  });
});

test('compose.yaml starts two servers with one Postgres and one Redis, behind a proxy that knows both', () => {
  const [compose] = documentsOf('compose.yaml') as [Compose];
  const { services, volumes } = compose;
  const servers = Object.entries(services).filter(([, { environment = {} }]) => 'LUMEN_COMM_NAME' in environment);
  expect(servers).toHaveLength(2);
  for (const [name, { environment = {} }] of servers) {
    expect(environment['LUMEN_COMM_NAME']).toBe(name);
    // Variables of the shell in place of passwords.
    const values = Object.fromEntries(
      Object.entries(environment).map(([key, value]) => [key, value.replaceAll(/\$\{[^}]+\}/g, 'https://x.example')]),
    );
    expect(parseCommand([], values)).toMatchObject({ type: 'serve', options: { trustProxy: 1, name } });
    for (const variable of ['LUMEN_COMM_DATABASE', 'LUMEN_COMM_REDIS']) {
      const host = /(?:@|redis:\/\/)(\w+)(?:[:/]|$)/.exec(environment[variable] ?? '')?.[1] ?? '';
      expect(Object.keys(services), variable).toContain(host);
    }
    expect(textOf('Caddyfile')).toContain(`${name}:${defaultPort()}`);
  }
  for (const service of Object.values(services)) {
    const needed = Object.entries(service.depends_on ?? {}).filter(
      ([, { condition }]) => condition === 'service_healthy',
    );
    for (const [name] of needed) expect(services[name]?.healthcheck, name).toBeDefined();
    const named = (service.volumes ?? [])
      .map((volume) => volume.split(':')[0] ?? '')
      .filter((from) => !from.startsWith('.'));
    expect(Object.keys(volumes)).toEqual(expect.arrayContaining(named));
  }
});

test('the Caddyfile checks the readiness, and keeps the metrics inside', () => {
  expect(textOf('Caddyfile')).toMatch(/^\s*health_uri \/readyz$/m);
  expect(textOf('Caddyfile')).toMatch(/^\s*respond \/metrics 404$/m);
});

test('kubernetes.yaml has probes, a budget for disruptions and a service, which select the same pods', () => {
  const documents = documentsOf('kubernetes.yaml') as { readonly kind: string }[];
  const of = (kind: string): unknown => documents.find((each) => each.kind === kind);
  const { spec } = of('Deployment') as Deployment;
  const { metadata, spec: pod } = spec.template;
  expect(metadata.labels).toEqual(spec.selector.matchLabels);
  const budget = of('PodDisruptionBudget') as { spec: { maxUnavailable: number; selector: Selector } };
  expect(budget.spec.selector).toEqual(spec.selector);
  // A node can be drained, and a process is left.
  expect(budget.spec.maxUnavailable).toBeGreaterThan(0);
  expect(budget.spec.maxUnavailable).toBeLessThan(spec.replicas);
  const service = of('Service') as { spec: { selector: unknown; ports: { targetPort: string }[] } };
  expect(service.spec.selector).toEqual(spec.selector.matchLabels);
  const [container] = pod.containers;
  const ports = Object.fromEntries((container?.ports ?? []).map(({ name, containerPort }) => [name, containerPort]));
  expect(ports[service.spec.ports[0]?.targetPort ?? '']).toBe(defaultPort());
  expect(metadata.annotations['prometheus.io/port']).toBe(String(defaultPort()));
  const probes = [container?.startupProbe, container?.livenessProbe, container?.readinessProbe];
  expect(probes.map((probe) => probe?.httpGet.path)).toEqual(['/healthz', '/healthz', '/readyz']);
  for (const probe of probes) expect(ports).toHaveProperty(probe?.httpGet.port ?? '');
  expect(container?.env.map(({ name }) => name)).toContain('LUMEN_COMM_NAME');
});

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

test.runIf(hasSystemd)('systemd accepts the unit', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'lumen-comm-unit-'));
  try {
    const file = path.join(directory, 'lumen-comm@3001.service');
    // The interpreter has to exist on this machine.
    writeFileSync(file, textOf('lumen-comm@.service').replace('/usr/bin/node', process.execPath));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('the unit starts the installed program, one process for each port', () => {
  const unit = textOf('lumen-comm@.service');
  expect(unit).toMatch(new RegExp(`^ExecStart=/usr/bin/node /opt/comm/${PROGRAM} serve$`, 'm'));
  expect(unit).toMatch(/^Environment=LUMEN_COMM_PORT=%i$/m);
  expect(unit).toMatch(/^Environment=LUMEN_COMM_NAME=%H-%i$/m);
});
