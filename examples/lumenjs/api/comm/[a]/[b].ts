import { answer } from '../../_comm.ts';

export const GET = answer;
export const POST = answer;
export const DELETE = answer;
