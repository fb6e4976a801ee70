import { useDb } from '@lumenjs/db';
import { createCommunicationHandler } from 'lumen-comm-server';

export const socket = createCommunicationHandler({ db: useDb(), config: { restPath: '/api/comm' } });
