import path from 'node:path';
import ts from 'typescript';
import { root, type Snippet } from './snippets.ts';

/** Declares the variables that snippets use without declaring them. */
const SURROUNDINGS = `
import type { CallSession, CommClient } from 'lumen-comm';
import type { LumenDatabase } from 'lumen-comm-server';
declare global {
  const client: CommClient;
  const call: CallSession;
  const conversationId: string;
  const db: LumenDatabase;
}`;

/** Declares the module that LumenJS provides to its apps. */
const LUMENJS = `
declare module '@lumenjs/db' {
  import type { LumenDatabase } from 'lumen-comm-server';
  export function useDb(): LumenDatabase;
}`;

/** Virtual directory of the snippets. It is in the repository, so that the compiler resolves the packages by name. */
const virtual = path.join(root, 'docs', '.snippets');

/**
 * Compiles snippets against the built packages, with the settings of a plain project, and returns the errors.
 *
 * @param resolution - `moduleResolution` of the project
 */
export function typeErrors(snippets: readonly Snippet[], resolution: 'bundler' | 'nodenext'): string[] {
  const files = new Map(
    snippets.map((snippet, index) => {
      const name = snippet.file ?? `${index}.${snippet.language}`;
      return [path.join(virtual, path.basename(snippet.page), name), snippet];
    }),
  );
  const extra = new Map([
    [path.join(virtual, 'surroundings.ts'), SURROUNDINGS],
    [path.join(virtual, 'lumenjs.d.ts'), LUMENJS],
  ]);
  const isBundler = resolution === 'bundler';
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: isBundler ? ts.ModuleKind.ESNext : ts.ModuleKind.NodeNext,
    moduleResolution: isBundler ? ts.ModuleResolutionKind.Bundler : ts.ModuleResolutionKind.NodeNext,
    moduleDetection: ts.ModuleDetectionKind.Force,
    jsx: ts.JsxEmit.ReactJSX,
    strict: true,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    skipLibCheck: true,
    // LumenJS apps import their files by full name.
    allowImportingTsExtensions: true,
    noEmit: true,
    types: ['node'],
    typeRoots: [path.join(root, 'node_modules/@types')],
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
    if (source === undefined) return [`${file} was not compiled`];
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((diagnostic) => {
      const snippet = files.get(file);
      const { line } = ts.getLineAndCharacterOfPosition(source, diagnostic.start ?? 0);
      const location = snippet === undefined ? file : `${snippet.page}:${snippet.line + 1 + line}`;
      return `${location} ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`;
    });
  });
}
