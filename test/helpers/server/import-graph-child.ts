import { registerHooks } from 'node:module';

// Imports a module and prints the URL of every module that was loaded for it.
const [entry = ''] = process.argv.slice(2);
const loaded: string[] = [];
registerHooks({
  load(url, context, nextLoad) {
    loaded.push(url);
    return nextLoad(url, context);
  },
});
const module = (await import(entry)) as { createCommServer(options: object): Promise<{ close(): Promise<void> }> };
process.stdout.write(`${JSON.stringify(loaded)}\n`);
loaded.length = 0;
const server = await module.createCommServer({
  port: 0,
  database: ':memory:',
  logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
});
await server.close();
process.stdout.write(`${JSON.stringify(loaded)}\n`);

function ignore(): void {
  // Development mode logs a warning.
}
