import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** Returns the path of a system program. If it is missing, installs its Debian package as root. */
export function tool(name: string, debianPackage: string): string | undefined {
  const found = find(name);
  if (found !== undefined || process.getuid?.() !== 0) return found;
  console.log(`${name} is missing: installing ${debianPackage}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '--quiet'], { env, stdio: 'ignore', timeout: 120_000 });
  const install = ['install', '--yes', '--quiet', '--no-install-recommends', debianPackage];
  spawnSync('apt-get', install, { env, stdio: 'ignore', timeout: 300_000 });
  return find(name);
}

function find(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/sbin'];
  return folders
    .filter((folder) => path.isAbsolute(folder))
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
