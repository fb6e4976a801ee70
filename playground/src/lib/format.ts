const clockTime = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' });
const shortWeekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const dayOfYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const fullDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

const DAY_MS = 86_400_000;

function midnight(time: Date): number {
  return new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime();
}

function daysAgo(time: Date, now: Date): number {
  return Math.round((midnight(now) - midnight(time)) / DAY_MS);
}

/** Formats the time of day as the locale does: "09:05", "9:05 AM". */
export function timeOfDay(iso: string): string {
  return clockTime.format(new Date(iso));
}

export function exactTime(iso: string): string {
  return exact.format(new Date(iso));
}

export function fullDate(iso: string): string {
  return fullDay.format(new Date(iso));
}

export function isSameDay(one: string, other: string): boolean {
  return midnight(new Date(one)) === midnight(new Date(other));
}

/** Formats the heading of a day in a conversation. */
export function dayLabel(iso: string, now = new Date()): string {
  const time = new Date(iso);
  const days = daysAgo(time, now);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days < 7) return weekday.format(time);
  return time.getFullYear() === now.getFullYear() ? dayOfYear.format(time) : fullDay.format(time);
}

/** Formats a time for the conversation list: time of day, weekday or date. */
export function listTime(iso: string, now = new Date()): string {
  const time = new Date(iso);
  const days = daysAgo(time, now);
  if (days <= 0) return clockTime.format(time);
  if (days === 1) return 'Yesterday';
  return days < 7 ? shortWeekday.format(time) : shortDay.format(time);
}

export function lastSeen(iso: string | undefined, now = new Date()): string {
  if (iso === undefined) return 'offline';
  const minutes = Math.floor((now.getTime() - Date.parse(iso)) / 60_000);
  if (minutes < 1) return 'last seen just now';
  if (minutes < 60) return `last seen ${minutes} min ago`;
  const label = dayLabel(iso, now);
  return `last seen ${label === 'Today' ? 'today' : label === 'Yesterday' ? 'yesterday' : label} at ${timeOfDay(iso)}`;
}

export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** Joins names: "Ann", "Ann and Bob", "Ann, Bob and 3 more". */
export function listNames(names: readonly string[], most = 3): string {
  const shown = names.slice(0, names.length > most ? most - 1 : most);
  const rest = names.length - shown.length;
  const parts = rest > 0 ? [...shown, `${rest} more`] : shown;
  const last = parts.at(-1) ?? '';
  return parts.length < 2 ? last : `${parts.slice(0, -1).join(', ')} and ${last}`;
}

const SIZE_UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;

/** Formats a number of bytes, such as "1.2 MB". */
export function fileSize(bytes: number): string {
  let size = bytes;
  let unit = 0;
  for (; size >= 1_000 && unit < SIZE_UNITS.length - 1; unit += 1) size /= 1_000;
  const options = {
    style: 'unit',
    unit: SIZE_UNITS[unit] ?? 'byte',
    unitDisplay: unit === 0 ? 'long' : 'short',
  } as const;
  return new Intl.NumberFormat(undefined, { ...options, maximumFractionDigits: size < 10 ? 1 : 0 }).format(size);
}

/** Formats a position in a sound, such as "1:05". */
export function playTime(seconds: number): string {
  const whole = Math.floor(seconds);
  const rest = String(whole % 60).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${rest}`;
}
