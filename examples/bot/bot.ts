import { CommClient, type Message } from 'lumen-comm';
import { fileStorage } from 'lumen-comm/node';

const url = process.env.CHAT_URL ?? 'http://127.0.0.1:3000';
// Keeps unsent answers and the position in each conversation: messages sent while the bot is off are answered when it starts.
const bot = new CommClient({ url, userId: 'bot', storage: fileStorage('./bot.sqlite') });

const commands: Record<string, (text: string) => string> = {
  echo: (text) => text,
  roll: (sides) => `You rolled ${Math.ceil(Math.random() * (Number(sides) || 6))}`,
  help: () => `I know: ${Object.keys(commands).join(', ')}`,
};

async function answer({ id, conversationId, senderId, content }: Message): Promise<void> {
  if (senderId === bot.userId) return;
  const [, name = 'help', text = ''] = /^(\w+)\s*(.*)$/s.exec(content) ?? [];
  const command = Object.hasOwn(commands, name) ? commands[name] : commands.help;
  await bot.messages.send({ conversationId, content: command?.(text) || '…', replyTo: id });
}

bot.on('message:new', (message) => void answer(message).catch(console.error));
bot.on('error', ({ code, message }) => console.error(code, message));
process.once('SIGINT', () => void bot.disconnect());

await bot.connect();
console.log(`Connected to ${url} as ${bot.userId}`);
