import { RedisScript } from './redis-commands.ts';

/*
 * Keys, each after the prefix:
 *
 *   user:<user>      hash: `p:<process>` has the devices there as JSON, `[]` if the last one has just left;
 *                    `status`, `seen` and `chosen` are those of the user. Kept for a while after the user is offline,
 *                    so that a missing key means that Redis has lost it
 *   limit:<key>      hash: tokens of a bucket, and when they were counted, in ms
 *   count:<key>      hash: how many of something each process has
 *   users:<process>  set: the users with an entry of the process
 *   processes        sorted set: when each process sent its last heartbeat, in ms
 *   dead             sorted set: processes that have ended, and when another one may take over their users
 *
 * All times are those of Redis, because the clocks of processes differ.
 */

/** Time in seconds after which Redis drops what is not renewed by heartbeats. */
const EXPIRY_S = 60;
const OFFLINE_EXPIRY_S = 600;
const LIST_EXPIRY_S = 3_600;
/** Time in ms that a process has to take over the users of another one. */
const TAKEOVER_MS = 15_000;
/** Processes whose users are taken over at once. */
const MAX_TAKEN_OVER = 4;

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/**
 * Sets the devices of a user in one process and derives the presence.
 *
 * KEYS: user, processes, users of the process. ARGV: process, devices as JSON or nothing to remove them, user, chosen status,
 * `fresh` | `known` | `keep`, ISO time, time in ms without a heartbeat after which a process has ended, status and ISO time that
 * apply if Redis has lost them.
 *
 * Returns: whether the status has changed, status, when it was set, version, whether the user is connected anywhere, statuses of the
 * devices in other processes.
 */
export const SET_PRESENCE = new RedisScript(`${NOW}
local mine = 'p:' .. ARGV[1]
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], mine)
  redis.call('SREM', KEYS[3], ARGV[3])
else
  redis.call('HSET', KEYS[1], mine, ARGV[2])
  redis.call('SADD', KEYS[3], ARGV[3])
  redis.call('EXPIRE', KEYS[3], ${LIST_EXPIRY_S})
end
local status, seen, chosen = ARGV[8], ARGV[9], nil
local count, leaving, reported, elsewhere = 0, false, {}, {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local name, value = fields[i], fields[i + 1]
  if name == 'status' then status = value
  elseif name == 'seen' then seen = value
  elseif name == 'chosen' then chosen = value
  elseif string.sub(name, 1, 2) == 'p:' then
    local beat = name == mine and now or tonumber(redis.call('ZSCORE', KEYS[2], string.sub(name, 3)) or 0)
    if now - beat < tonumber(ARGV[7]) then
      if value == '[]' then leaving = true end
      for _, device in ipairs(cjson.decode(value)) do
        count = count + 1
        reported[device[2]] = true
        if name ~= mine then elsewhere[#elsewhere + 1] = device[2] end
      end
    end
  end
end
if ARGV[5] == 'fresh' or (ARGV[5] == 'known' and not chosen) then
  chosen = ARGV[4]
  redis.call('HSET', KEYS[1], 'chosen', chosen)
end
local before = status
if count > 0 then
  if chosen and chosen ~= '' then status = chosen
  elseif reported.online then status = 'online'
  elseif reported.busy then status = 'busy'
  elseif reported.away then status = 'away'
  else status = 'offline' end
elseif not leaving then
  status = 'offline'
end
local version = time[1] * 1000000 + time[2]
if status ~= before then seen = ARGV[6] end
local connected = count > 0 or leaving
if not connected then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'status', status, 'seen', seen)
redis.call('EXPIRE', KEYS[1], connected and ${EXPIRY_S} or ${OFFLINE_EXPIRY_S})
return { status ~= before and 1 or 0, status, seen, version, connected and 1 or 0, table.concat(elsewhere, ',') }`);

/** Returns status, time and version of users. KEYS: the users. */
export const READ_PRESENCE = new RedisScript(`
local time = redis.call('TIME')
local version = time[1] * 1000000 + time[2]
local read = {}
for i, key in ipairs(KEYS) do
  local fields = redis.call('HMGET', key, 'status', 'seen')
  read[3 * i - 2] = fields[1] or 'offline'
  read[3 * i - 1] = fields[2] or ''
  read[3 * i] = version
end
return read`);

/** Returns the devices of a user in other processes, as JSON per process. KEYS: user, processes. ARGV: this process, and as above. */
export const READ_DEVICES = new RedisScript(`${NOW}
local fields, read = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #fields, 2 do
  local name = fields[i]
  if string.sub(name, 1, 2) == 'p:' and name ~= 'p:' .. ARGV[1] then
    local beat = tonumber(redis.call('ZSCORE', KEYS[2], string.sub(name, 3)) or 0)
    if now - beat < tonumber(ARGV[2]) then read[#read + 1] = fields[i + 1] end
  end
end
return read`);

/**
 * A heartbeat. KEYS: processes, dead, users of the process. ARGV: process, and as above.
 *
 * Returns: number of processes, time in ms until another one may have ended, number of those that were found to have ended without
 * {@link LEAVE}, then the processes to take over.
 */
export const BEAT = new RedisScript(`${NOW}
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
for _, id in ipairs(ended) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZADD', KEYS[2], now, id)
end
local taken = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ${MAX_TAKEN_OVER})
for _, id in ipairs(taken) do redis.call('ZADD', KEYS[2], now + ${TAKEOVER_MS}, id) end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local wait = tonumber(oldest[2]) + ARGV[2] - now
local due = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if due[2] then wait = math.min(wait, tonumber(due[2]) - now) end
redis.call('EXPIRE', KEYS[1], ${LIST_EXPIRY_S})
redis.call('EXPIRE', KEYS[2], ${LIST_EXPIRY_S})
redis.call('EXPIRE', KEYS[3], ${LIST_EXPIRY_S})
return { redis.call('ZCARD', KEYS[1]), wait, #ended, unpack(taken) }`);

/** Ends a process: others take over its users after a grace period. KEYS: processes, dead. ARGV: process, grace in ms. */
export const LEAVE = new RedisScript(`${NOW}
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ${LIST_EXPIRY_S})`);

/** Renews the entries of users in a process. KEYS: users. ARGV: process. Returns the places of those without an entry. */
export const RENEW = new RedisScript(`
local missing = {}
for i, key in ipairs(KEYS) do
  if redis.call('HEXISTS', key, 'p:' .. ARGV[1]) == 1 then redis.call('EXPIRE', key, ${EXPIRY_S})
  else missing[#missing + 1] = i end
end
return missing`);

/** Takes tokens of buckets. KEYS: limits. ARGV: for each the tokens, size and tokens per second. Returns what is left. */
export const SPEND = new RedisScript(`${NOW}
local left = {}
for i, key in ipairs(KEYS) do
  local used, burst, rate = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local bucket = redis.call('HMGET', key, 'tokens', 'at')
  local tokens = tonumber(bucket[1] or burst) + math.max(0, now - tonumber(bucket[2] or now)) / 1000 * rate
  tokens = math.max(-burst, math.min(burst, tokens) - used)
  redis.call('HSET', key, 'tokens', tostring(tokens), 'at', now)
  redis.call('PEXPIRE', key, math.ceil((burst - tokens) / rate * 1000) + 1000)
  left[i] = tostring(tokens)
end
return left`);

/**
 * Sets how many of something a process has. KEYS: processes, then counts. ARGV: process, time in ms without a heartbeat after which
 * a process has ended, time in ms after which a count is forgotten, then the values. Returns how many the others have.
 */
export const COUNT = new RedisScript(`${NOW}
local others = {}
for i = 2, #KEYS do
  redis.call('HSET', KEYS[i], ARGV[1], ARGV[i + 2])
  redis.call('PEXPIRE', KEYS[i], ARGV[3])
  local fields, sum = redis.call('HGETALL', KEYS[i]), 0
  for j = 1, #fields, 2 do
    local beat = tonumber(redis.call('ZSCORE', KEYS[1], fields[j]) or 0)
    if fields[j] ~= ARGV[1] and now - beat < tonumber(ARGV[2]) then sum = sum + fields[j + 1] end
  end
  others[i - 1] = sum
end
return others`);
