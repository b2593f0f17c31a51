-- end_rollout_step.lua: has a step of a roll-out ended, and how? Then the job waits for a person or its time, or stops, or takes its last step.
-- uses clock
-- uses rollout
-- KEYS[1]   job:<job>         hash
-- KEYS[2]   turns             zset
-- KEYS[3]   stepping          set
-- KEYS[4]   job:<job>:queued  zset
-- ARGV      job
-- returns   'gone' | 'waits' (it has not ended, or waits for its time) | 'paused' | 'stopped' | 'running' (the next step began) |
--           'last' (the last one began or ended)
-- cost      O(steps)
-- moves     running → paused (pause), running → stopped (stop), paused → running (resume)
-- again     answers 'waits'
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
  begin_next_step(KEYS[1])
  if redis.call('ZCARD', KEYS[4]) > 0 then redis.call('ZADD', KEYS[2], 'NX', 0, ARGV[1]) end
  return 'running'
end
if v[1] ~= 'running' then return 'waits' end

local steps, at = steps_of(v[4]), tonumber(v[5])
local begun, before = tonumber(v[3]), tonumber(v[9] or 0)
local c = redis.call('HMGET', KEYS[1], 'sent', 'dead', 'unknown_identifiers', 'expired', 'cancelled')
local ended = 0
for i = 1, 5 do ended = ended + tonumber(c[i] or 0) end
local asked, spared = begun - before, tonumber(v[11]) - begun
-- One whose answers were lost again and again is in doubt as often.
local bad = math.min(asked, gone_wrong(KEYS[1]) - tonumber(v[10] or 0))

local function held(state, why)
  redis.call('HSET', KEYS[1], 'state', state, 'why', why)
  redis.call('ZREM', KEYS[2], ARGV[1])
  return state
end

-- As soon as it is sure that the step will end badly: nobody else need be tried.
local allow = tonumber(v[2])
local size = math.min(allow, v[12] and tonumber(v[11]) or allow) - before
if v[6] and bad > tonumber(v[6]) * size then
  return held('stopped', string.format('step %d of %d: %d of %d were refused or are in doubt, and %g %% may be; %d people were spared', at,
    #steps, bad, asked, tonumber(v[6]) * 100, spared))
end
if begun < allow or ended < begun then return 'waits' end
if at >= #steps then
  redis.call('HDEL', KEYS[1], 'allow')
  redis.call('SREM', KEYS[3], ARGV[1])
  if redis.call('ZCARD', KEYS[4]) > 0 then redis.call('ZADD', KEYS[2], 'NX', 0, ARGV[1]) end
  return 'last'
end
if v[7] then redis.call('HSET', KEYS[1], 'goes_on', now + tonumber(v[7])) end
return held('paused', string.format('step %d of %d has ended: %d of %d were refused or are in doubt; %d people wait for the next', at,
  #steps, bad, asked, spared))
