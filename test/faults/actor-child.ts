/** Runs an actor in a child process that can be killed. */
import { Actor } from './actor.ts';
import type { ActorAnswer, ActorCommand, ActorReport } from './report.ts';

let actor: Actor | undefined;

async function obey(command: ActorCommand): Promise<ActorReport | undefined> {
  if (command.do === 'start') {
    actor = new Actor(command.plan);
    await actor.start();
    return undefined;
  }
  if (actor === undefined) throw new Error('Not started');
  if (command.do === 'report') return actor.report();
  await run(actor, command);
  return undefined;
}

async function run(running: Actor, command: ActorCommand): Promise<void> {
  if (command.do === 'work') await running.work(command.operations);
  else if (command.do === 'settled') await running.settled();
  else if (command.do === 'heal') running.heal();
  else if (command.do === 'read-all') await running.readAll();
  else if (command.do === 'keep') await running.keep();
  else if (command.do === 'stop') await running.stop();
}

process.on('message', ({ number, command }: { number: number; command: ActorCommand }) => {
  const answer = (rest: Partial<ActorAnswer>): void => void process.send?.({ number, ...rest });
  obey(command).then(
    (report) => answer(report === undefined ? {} : { report }),
    (error: unknown) => answer({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
