/** An actor in a process of its own, so that it can be killed. */
import { Actor } from './actor.ts';
import type { ActorAnswer, ActorCommand, ActorReport } from './report.ts';

let actor: Actor | undefined;

async function obey(command: ActorCommand): Promise<ActorReport | undefined> {
  if (command.do === 'start') {
    actor = new Actor(command.plan);
    return void (await actor.start());
  }
  if (actor === undefined) throw new Error('Not started');
  switch (command.do) {
    case 'work':
      return void (await actor.work(command.operations));
    case 'settled':
      return void (await actor.settled());
    case 'heal':
      return actor.heal() as undefined;
    case 'read-all':
      return void (await actor.readAll());
    case 'report':
      return actor.report();
    case 'stop':
      return void (await actor.stop());
  }
}

process.on('message', ({ number, command }: { number: number; command: ActorCommand }) => {
  const answer = (rest: Partial<ActorAnswer>): void => void process.send?.({ number, ...rest });
  obey(command).then(
    (report) => answer(report === undefined ? {} : { report }),
    (error: unknown) => answer({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
