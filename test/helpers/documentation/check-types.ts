import path from 'node:path';
import ts from 'typescript';
import { root, type Snippet } from './snippets.ts';

/** What snippets that begin in the middle of an app take for granted. */
const SURROUNDINGS = `
import type { CallSession, CommClient } from 'lumen-comm';
import type { LumenDatabase } from 'lumen-comm/server';
declare global {
  const client: CommClient;
  const call: CallSession;
  const conversationId: string;
  const db: LumenDatabase;
}`;

/** Of React just what the snippets use, by its own signatures; it is no dependency of this package. */
const REACT = `
declare module 'react' {
  export function useEffect(effect: () => void | (() => void), dependencies?: readonly unknown[]): void;
  export function useState<T>(): [T | undefined, (value: T) => void];
  export function useSyncExternalStore<T>(subscribe: (changed: () => void) => () => void, snapshot: () => T, serverSnapshot?: () => T): T;
}
declare module 'react/jsx-runtime' {
  export namespace JSX { interface IntrinsicElements { [name: string]: object } }
  export const jsx: unknown, jsxs: unknown, Fragment: unknown;
}`;

/** Where snippets are, as far as the compiler knows. */
const virtual = path.join(root, 'docs', '.snippets');

/** Compiles snippets against the package's source, under the package's names, and returns what is wrong with them. */
export function typeErrors(snippets: readonly Snippet[]): string[] {
  const files = new Map(
    snippets.map((snippet, index) => {
      const name = snippet.file ?? `${index}.${snippet.language}`;
      return [path.join(virtual, path.basename(snippet.page), name), snippet];
    }),
  );
  const extra = new Map([
    [path.join(virtual, 'surroundings.ts'), SURROUNDINGS],
    [path.join(virtual, 'react.d.ts'), REACT],
  ]);
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    lib: [
      'lib.es2024.d.ts',
      'lib.esnext.disposable.d.ts',
      'lib.dom.d.ts',
      'lib.dom.iterable.d.ts',
      'lib.dom.asynciterable.d.ts',
    ],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    moduleDetection: ts.ModuleDetectionKind.Force,
    jsx: ts.JsxEmit.ReactJSX,
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
    types: ['node'],
    typeRoots: [path.join(root, 'node_modules/@types')],
    paths: {
      'lumen-comm': [path.join(root, 'src/index.ts')],
      'lumen-comm/*': [path.join(root, 'src/*/index.ts')],
    },
  };
  const host = ts.createCompilerHost(options);
  const disk = { ...host };
  const textOf = (file: string): string | undefined => files.get(file)?.code ?? extra.get(file);
  host.fileExists = (file) => textOf(file) !== undefined || disk.fileExists(file);
  host.directoryExists = (directory) => directory.startsWith(virtual) || disk.directoryExists?.(directory) === true;
  host.readFile = (file) => textOf(file) ?? disk.readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const text = textOf(file);
    return text === undefined ? disk.getSourceFile(file, version, ...rest) : ts.createSourceFile(file, text, version);
  };
  const program = ts.createProgram([...files.keys(), ...extra.keys()], options, host);
  return [...files.keys(), ...extra.keys()].flatMap((file) => {
    const source = program.getSourceFile(file);
    if (source === undefined) return [`${file} was not read`];
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((diagnostic) => {
      const snippet = files.get(file);
      const { line } = ts.getLineAndCharacterOfPosition(source, diagnostic.start ?? 0);
      const where = snippet === undefined ? file : `${snippet.page}:${snippet.line + 1 + line}`;
      return `${where} ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`;
    });
  });
}
