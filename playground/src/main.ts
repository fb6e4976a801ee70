import { showApp } from './app/app.ts';
import { applyTheme } from './app/theme.ts';
import { showSignIn } from './app/sign-in.ts';
import { personId } from './lib/people.ts';
import { startAnnouncer } from './ui/announcer.ts';
import { startToasts } from './ui/toast.ts';

const root = document.querySelector<HTMLElement>('#app');
if (root === null) throw new Error('The page has no #app');

applyTheme();
startAnnouncer();
startToasts();
const user = personId(new URLSearchParams(location.search).get('user') ?? '');
if (user === '') showSignIn(root);
else showApp(root, user);

if ('serviceWorker' in navigator && import.meta.env.PROD) {
  // Optional: without the service worker the page only cannot be reloaded while the server is unreachable.
  navigator.serviceWorker.register('/service-worker.js').catch(() => undefined);
}
