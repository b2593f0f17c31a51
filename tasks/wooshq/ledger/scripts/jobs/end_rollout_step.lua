-- end_rollout_step.lua: has a step of a roll-out ended, and how? Then the job waits for a caller or its time, stops, or goes on.
-- uses clock
-- uses rollout
-- KEYS[1]   job:<job>         hash
-- KEYS[2]   turns             zset
-- KEYS[3]   stepping          set
-- KEYS[4]   job:<job>:queued  zset
-- ARGV      job
-- returns   'gone' | 'waits' (the step has not ended, or the job waits for its time) | 'paused' | 'stopped' |
--           'running' (the next step began) | 'last' (the last step began or ended)
-- cost      O(steps)
-- moves     job running → paused (pause), running → stopped (stop), paused → running (resume)
-- again     another answer, changes nothing: 'waits' or 'last'
-- memory    works in a full Redis: the first write is SREM, HDEL or ZREM
local now = now_ms()
local v = redis.call('HMGET', KEYS[1], 'state', 'allow', 'begun', 'steps', 'step', 'stop_at', 'step_wait', 'goes_on', 'step_begun',
  'step_bad', 'total', 'fed')
if not v[1] or v[1] == 'cancelled' or v[1] == 'done' or not v[2] then
  redis.call('SREM', KEYS[3], ARGV[1])
  return v[1] and 'last' or 'gone'
end
if v[1] == 'paused' and v[8] and tonumber(v[8]) <= now then
  redis.call('HDEL', KEYS[1], 'why', 'goes_on')
  redis.call('HSET', KEYS[1], 'state', 'running')
  begin_next_rollout_step(KEYS[1])
  if redis.call('ZCARD', KEYS[4]) > 0 then redis.call('ZADD', KEYS[2], 'NX', 0, ARGV[1]) end
  return 'running'
end
if v[1] ~= 'running' then return 'waits' end

local steps, at = rollout_steps(v[4]), tonumber(v[5])
local begun, before = tonumber(v[3]), tonumber(v[9] or 0)
local c = redis.call('HMGET', KEYS[1], 'sent', 'dead', 'unknown_identifiers', 'expired', 'cancelled')
local ended = 0
for i = 1, 5 do ended = ended + tonumber(c[i] or 0) end
local asked = begun - before
-- A recipient whose answers were lost several times is in doubt as often.
local bad = math.min(asked, gone_wrong(KEYS[1]) - tonumber(v[10] or 0))

-- <left> in the text: recipients may still be fed, so the number is filled in when somebody reads it.
local function hold(state, why)
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('HSET', KEYS[1], 'state', state, 'why', why)
  return state
end

-- It stops as soon as it is certain that the step will end badly.
local allow = tonumber(v[2])
local size = math.min(allow, v[12] and tonumber(v[11]) or allow) - before
if v[6] and bad > tonumber(v[6]) * size then
  return hold('stopped', string.format('step %d of %d: %d of %d recipients were refused or are in doubt (limit %g %%); <left> are left',
    at, #steps, bad, asked, tonumber(v[6]) * 100))
end
if begun < allow or ended < begun then return 'waits' end
if at >= #steps then
  redis.call('HDEL', KEYS[1], 'allow')
  redis.call('SREM', KEYS[3], ARGV[1])
  if redis.call('ZCARD', KEYS[4]) > 0 then redis.call('ZADD', KEYS[2], 'NX', 0, ARGV[1]) end
  return 'last'
end
hold('paused', string.format('step %d of %d has ended: %d of %d recipients were refused or are in doubt; <left> wait for the next step', at,
  #steps, bad, asked))
if v[7] then redis.call('HSET', KEYS[1], 'goes_on', now + tonumber(v[7])) end
return 'paused'
