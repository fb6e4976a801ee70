import { expect, test } from 'vitest';
import { isLoopback, originPolicy } from '../../../src/server/http/origins.ts';

const production = originPolicy({ origins: ['https://app.example.com/', 'http://localhost:5173'], development: false });
const webView = originPolicy({ origins: ['capacitor://localhost'], development: false });
const development = originPolicy({ origins: ['https://app.example.com'], development: true });

test.each<[admitted: boolean, why: string, origin: string | undefined, host: string | undefined]>([
  [true, 'no page asks', undefined, 'chat.example.com'],
  [true, 'the page is listed', 'https://app.example.com', 'chat.example.com'],
  [true, 'the page is the server’s own', 'https://chat.example.com', 'chat.example.com'],
  [true, 'the page is the server’s own, by port', 'http://chat.example.com:8080', 'chat.example.com:8080'],
  [false, 'the page is from elsewhere', 'https://evil.example', 'chat.example.com'],
  [false, 'only the port differs', 'http://chat.example.com:81', 'chat.example.com'],
  [false, 'the origin is hidden', 'null', 'chat.example.com'],
  [false, 'the name only begins alike', 'https://app.example.com.evil.example', 'chat.example.com'],
  [false, 'it is on this machine, but nobody listed it', 'http://localhost:3000', 'chat.example.com'],
])('%s: %s', (admitted, _, origin, host) => {
  expect(production.admits(origin, host)).toBe(admitted);
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
  [true, 'a program that says no host, as no browser does', undefined, undefined],
])('in development mode, %s: %s', (admitted, _, origin, host) => {
  expect(development.admits(origin, host)).toBe(admitted);
});

test('an app in a web view is let in by the origin of its own scheme', () => {
  expect(webView.admits('capacitor://localhost', 'chat.example.com')).toBe(true);
  expect(webView.admits('capacitor://elsewhere', 'chat.example.com')).toBe(false);
});

test('what is no origin cannot be listed', () => {
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
