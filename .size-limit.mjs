export { sizeChecks as default } from './scripts/size-checks.ts';
