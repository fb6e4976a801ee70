import { expect, test } from 'vitest';
import type { S3StorageOptions } from '../../../../../src/server/services/files/s3-storage.ts';
import { isStorageUrl, parseStorageUrl } from '../../../../../src/server/services/files/s3-url.ts';

const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'hush' };
const DEFAULTS: S3StorageOptions = {
  bucket: 'chat-files',
  region: 'us-east-1',
  endpoint: 'https://s3.us-east-1.amazonaws.com',
  pathStyle: true,
  direct: false,
  partsDirectory: './comm-files',
  accessKeyId: 'id',
  secretAccessKey: 'hush',
  sessionToken: undefined,
};

test.each<[url: string, env: Record<string, string>, options: Partial<S3StorageOptions>]>([
  ['s3://chat-files', {}, {}],
  ['s3://chat-files/?region=eu', {}, { region: 'eu', endpoint: 'https://s3.eu.amazonaws.com' }],
  ['s3://chat-files', { AWS_REGION: 'eu' }, { region: 'eu', endpoint: 'https://s3.eu.amazonaws.com' }],
  ['s3://chat-files?endpoint=http%3A%2F%2Flocalhost%3A9000', {}, { endpoint: 'http://localhost:9000' }],
  ['s3://chat-files?endpoint=http://localhost:9000', {}, { endpoint: 'http://localhost:9000' }],
  ['s3://chat-files?pathStyle=false&partsDirectory=/srv/parts', {}, { pathStyle: false, partsDirectory: '/srv/parts' }],
  ['s3://chat-files', { AWS_REGION: '' }, {}],
  ['s3://chat-files?region=', { AWS_REGION: '' }, {}],
  ['s3://chat-files?region=', { AWS_REGION: 'eu' }, { region: 'eu', endpoint: 'https://s3.eu.amazonaws.com' }],
  [
    's3://chat-files?region=cn-north-1',
    {},
    { region: 'cn-north-1', endpoint: 'https://s3.cn-north-1.amazonaws.com.cn' },
  ],
  ['s3://chat-files?direct=true', {}, { direct: true }],
  ['s3://chat-files', { AWS_SESSION_TOKEN: 'token' }, { sessionToken: 'token' }],
])('%s with %j', (url, env, options) => {
  expect(parseStorageUrl(url, { ...CREDENTIALS, ...env })).toEqual({ ...DEFAULTS, ...options });
});

test.each<[url: string, env: Record<string, string>, message: RegExp]>([
  ['gs://chat-files', CREDENTIALS, /must be a directory or s3:/],
  ['s3://chat-files/prefix', CREDENTIALS, /must be a directory or s3:/],
  ['s3://chat-files?regoin=eu', CREDENTIALS, /unknown parameter; .*region/],
  ['s3:chat-files', CREDENTIALS, /must be a directory or s3:/],
  ['s3://chat-files?region=eu&region=us', CREDENTIALS, /each parameter of files must be given once/],
  ['s3://chat-files?pathStyle=no', CREDENTIALS, /pathStyle of files must be true or false/],
  ['s3://chat-files', { AWS_ACCESS_KEY_ID: 'id' }, /AWS_SECRET_ACCESS_KEY/],
  ['s3://id:hush@chat-files', CREDENTIALS, /must not contain credentials/],
])('%s with %j is a TypeError without the secret', (url, env, message) => {
  const parse = (): unknown => parseStorageUrl(url, env);
  expect(parse).toThrow(TypeError);
  expect(parse).toThrow(message);
  expect(parse).not.toThrow(/hush/);
});

test.each(['s3://chat-files', 'S3://chat-files', 's3:chat-files', 's3:/chat-files', 'gs://chat-files'])(
  '%s is a URL',
  (files) => {
    expect(isStorageUrl(files)).toBe(true);
  },
);

test.each(['files', './s3', '/srv/s3:files', 's3', 'C:\\files', 'C://files'])('%s is a directory', (files) => {
  expect(isStorageUrl(files)).toBe(false);
});
