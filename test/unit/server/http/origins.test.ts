import { expect, test } from 'vitest';
import { isLoopback, originPolicy } from '../../../../src/server/http/origins.ts';

const production = originPolicy({ origins: ['https://app.example.com/', 'http://localhost:5173'], development: false });
const webView = originPolicy({ origins: ['capacitor://localhost'], development: false });
const development = originPolicy({ origins: ['https://app.example.com'], development: true });

test.each<[admitted: boolean, why: string, origin: string | undefined, host: string | undefined]>([
  [true, 'no page asks', undefined, 'chat.example.com'],
  [true, 'the page is listed', 'https://app.example.com', 'chat.example.com'],
  [true, 'the page is the server’s own', 'http://chat.example.com', 'chat.example.com'],
  [true, 'the page is the server’s own, by its default port', 'http://chat.example.com', 'chat.example.com:80'],
  [false, 'only the scheme differs', 'https://chat.example.com', 'chat.example.com'],
  [false, 'there is no host', undefined, undefined],
  [false, 'there is no host for the page', 'https://chat.example.com', undefined],
  [true, 'the page is the server’s own, by port', 'http://chat.example.com:8080', 'chat.example.com:8080'],
  [false, 'the page is from elsewhere', 'https://evil.example', 'chat.example.com'],
  [false, 'only the port differs', 'http://chat.example.com:81', 'chat.example.com'],
  [false, 'the origin is hidden', 'null', 'chat.example.com'],
  [false, 'the name only begins alike', 'https://app.example.com.evil.example', 'chat.example.com'],
  [false, 'it is a loopback origin that is not listed', 'http://localhost:3000', 'chat.example.com'],
])('%s: %s', (admitted, _, origin, host) => {
  expect(production.allows(origin, host)).toBe(admitted);
});

test.each<[admitted: boolean, why: string, origin: string | undefined, host: string | undefined]>([
  [true, 'a page on this machine', 'http://localhost:5173', '127.0.0.1:3000'],
  [true, 'a page on this machine, by number', 'http://127.0.0.1:5173', '127.0.0.1:3000'],
  [true, 'a page that is listed', 'https://app.example.com', '127.0.0.1:3000'],
  [false, 'a page from elsewhere', 'https://evil.example', '127.0.0.1:3000'],
  [false, 'a page whose name now resolves to this machine', 'http://evil.example:3000', 'evil.example:3000'],
  // Browsers say no origin when a page only reads from what they take for its own server.
  [false, 'the same page, reading', undefined, 'evil.example:3000'],
  [true, 'a program on this machine', undefined, '127.0.0.1:3000'],
  [true, 'a program on this machine, by name', undefined, 'LOCALHOST:3000'],
  [true, 'a program on this machine, by IPv6', undefined, '[::1]:3000'],
  [true, 'a listed page’s server, reading', undefined, 'app.example.com'],
  [false, 'a program that sends no host', undefined, undefined],
])('in development mode, %s: %s', (admitted, _, origin, host) => {
  expect(development.allows(origin, host)).toBe(admitted);
});

test.each<[admitted: boolean, origin: string | undefined, host: string]>([
  [true, 'https://chat.example.com', 'chat.example.com'],
  [true, 'https://chat.example.com', 'chat.example.com:443'],
  [false, 'http://chat.example.com', 'chat.example.com'],
])('behind a proxy with TLS, %s: the origin %s on %s', (admitted, origin, host) => {
  expect(production.allows(origin, host, 'https')).toBe(admitted);
});

test.each<[admitted: boolean, why: string, origin: string | undefined, host: string]>([
  [true, 'the proxy on this machine', undefined, '127.0.0.1:3000'],
  [true, 'the proxy by the address of the server', undefined, '10.0.0.5:3000'],
  [true, 'the proxy that passes the host of a listed origin', 'https://chat.example.com', 'chat.example.com'],
  [true, 'the page of the server’s own address', 'http://10.0.0.5:3000', '10.0.0.5:3000'],
  [false, 'a page whose name now resolves to the server', 'http://evil.example:3000', 'evil.example:3000'],
  [false, 'the same page, reading', undefined, 'evil.example:3000'],
  [false, 'a page of another origin', 'https://evil.example', 'chat.example.com'],
])('with unverified user ids, %s: %s', (admitted, _, origin, host) => {
  const trusting = originPolicy({ origins: ['https://chat.example.com'], development: false, hosts: ['10.0.0.5'] });
  expect(trusting.allows(origin, host)).toBe(admitted);
});

test('an app in a web view is allowed by the origin of its own scheme', () => {
  expect(webView.allows('capacitor://localhost', 'chat.example.com')).toBe(true);
  expect(webView.allows('capacitor://elsewhere', 'chat.example.com')).toBe(false);
});

test('an invalid origin is a TypeError', () => {
  expect(() => originPolicy({ origins: ['app.example.com'], development: false })).toThrow(TypeError);
  expect(() => originPolicy({ origins: ['*'], development: false })).toThrow(TypeError);
});

test.each([
  ['127.0.0.1', true],
  ['127.3.2.1', true],
  ['localhost', true],
  ['app.localhost', true],
  ['::1', true],
  ['[::1]', true],
  ['0.0.0.0', false],
  ['127.evil.example', false],
  ['192.168.0.1', false],
  ['example.com', false],
])('%s is loopback: %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback);
});
