import { memoryStorage } from '../../../src/storage/memory-storage.ts';
import { describeStorage } from '../../helpers/storage-conformance.ts';

describeStorage('memoryStorage', () => Promise.resolve({ storage: memoryStorage(), dispose: () => Promise.resolve() }));
