/** For `node --import`: resolves the names of the packages to their sources, and other packages from the repository. */
import { registerHooks } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { sourceOf } from './package-sources.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const inPackage = pathToFileURL(path.join(root, 'package.json')).href;

registerHooks({
  resolve(specifier, context, next) {
    const source = sourceOf(specifier);
    if (source !== undefined) return next(pathToFileURL(source).href, context);
    const isBare = !/^(?:\.|\/|node:|file:)/.test(specifier);
    const isSnippet = context.parentURL !== undefined && !context.parentURL.startsWith(pathToFileURL(root).href);
    return next(specifier, isBare && isSnippet ? { ...context, parentURL: inPackage } : context);
  },
});
