import { afterAll } from 'vitest';
import { closeAll } from './test-database.ts';

afterAll(closeAll);
