/** For `node --import`: the names of the package lead to its source, and everything else to what it has installed. */
import { registerHooks } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const root = path.resolve(import.meta.dirname, '../../..');
const inPackage = pathToFileURL(path.join(root, 'package.json')).href;

registerHooks({
  resolve(specifier, context, next) {
    const [, subpath] = /^lumen-comm(?:\/(\w+))?$/.exec(specifier) ?? [undefined, null];
    if (subpath !== null) {
      return next(pathToFileURL(path.join(root, 'src', subpath ?? '', 'index.ts')).href, context);
    }
    const isBare = !/^(?:\.|\/|node:|file:)/.test(specifier);
    const isSnippet = context.parentURL !== undefined && !context.parentURL.startsWith(pathToFileURL(root).href);
    return next(specifier, isBare && isSnippet ? { ...context, parentURL: inPackage } : context);
  },
});
