import type { S3StorageOptions } from './s3-storage.ts';

/** Environment variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

const PARAMETERS = new Set(['endpoint', 'region', 'pathStyle', 'partsDirectory', 'direct']);
const FORM = 's3://bucket?region=…, with the parameters endpoint, region, pathStyle, partsDirectory and direct';

/** Returns whether a value of the option `files` is a URL and not a directory. `s3:bucket` is one too, which is not valid. */
export function isStorageUrl(files: string): boolean {
  return /^(?:\w{2,}:\/\/|s3:)/i.test(files);
}

/**
 * Parses the URL of a bucket: `s3://bucket?endpoint=…&region=…&pathStyle=false&partsDirectory=…&direct=true`, each parameter optional
 * and given once. Without an endpoint it is that of Amazon for the region. The credentials are those of the environment variables
 * `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`: a URL stands in process lists and logs.
 *
 * @throws TypeError that says what is missing, and never quotes the URL
 */
export function parseStorageUrl(text: string, env: Environment): S3StorageOptions {
  const url = URL.parse(text);
  if (url?.protocol !== 's3:' || !/^\/?$/.test(url.pathname) || url.hash !== '') {
    throw new TypeError(`files must be a directory or ${FORM}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new TypeError('files must not contain credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  }
  const names = [...url.searchParams.keys()];
  if (!names.every((name) => PARAMETERS.has(name))) {
    throw new TypeError(`files has an unknown parameter; it must be ${FORM}`);
  }
  if (new Set(names).size < names.length) throw new TypeError('each parameter of files must be given once');
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) {
    throw new TypeError('files in S3 require the environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  }
  const region = [url.searchParams.get('region'), env['AWS_REGION']].find(Boolean) ?? 'us-east-1';
  return {
    bucket: url.host,
    region,
    endpoint: url.searchParams.get('endpoint') ?? amazonEndpoint(region),
    pathStyle: booleanOf(url, 'pathStyle', true),
    direct: booleanOf(url, 'direct', false),
    partsDirectory: url.searchParams.get('partsDirectory') ?? './comm-files',
    accessKeyId,
    secretAccessKey,
    sessionToken: env['AWS_SESSION_TOKEN'],
  };
}

/** Returns the endpoint of a region. Those of China are in a domain of their own. */
function amazonEndpoint(region: string): string {
  return `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

function booleanOf(url: URL, name: string, otherwise: boolean): boolean {
  const value = url.searchParams.get(name) ?? String(otherwise);
  if (value !== 'true' && value !== 'false')
    throw new TypeError(`the parameter ${name} of files must be true or false`);
  return value === 'true';
}
