-- move.lua: a caller pauses, resumes or cancels a job.
-- uses clock
-- uses marks
-- uses rollout
-- uses history
-- KEYS[1]   job:<job>          hash
-- KEYS[2]   job:<job>:queued   zset
-- KEYS[3]   turns              zset
-- KEYS[4]   ending             set
-- KEYS[5]   stepping           set
-- KEYS[6]   job:<job>:unknown  list
-- KEYS[7]   job:<job>:doubts   stream
-- KEYS[8]   changes            stream
-- ARGV      job, 'pause' | 'resume' | 'cancel', why or '', how long an ended job is kept ms, by whom
-- derived   events, telling
-- returns   {'gone' | <the state that the job is in now>, 1 (this call moved it) | 0, <chunks that are queued>}
-- cost      O(log jobs)
-- moves     job running → paused (pause), paused | stopped → running (resume), running | paused | stopped → cancelled (cancel)
-- again     another answer, changes nothing: the job is there already
-- memory    works in a full Redis: the first write is HDEL
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'gone', 0, 0} end
local moved = 0
local queued = redis.call('ZCARD', KEYS[2])
local n = redis.call('HMGET', KEYS[1], 'total', 'sent', 'dead', 'unknown_identifiers', 'expired', 'cancelled')
local left = tonumber(n[1] or 0)
for i = 2, 6 do left = left - tonumber(n[i] or 0) end
if ARGV[2] == 'pause' and state == 'running' then
  state, moved = 'paused', 1
  redis.call('HDEL', KEYS[1], 'goes_on')
  redis.call('HSET', KEYS[1], 'state', state, 'why', ARGV[3], 'by', ARGV[5])
  redis.call('ZREM', KEYS[3], ARGV[1])
elseif ARGV[2] == 'resume' and (state == 'paused' or state == 'stopped') then
  local went_badly = state == 'stopped'
  state, moved = 'running', 1
  redis.call('HDEL', KEYS[1], 'why', 'by', 'goes_on')
  redis.call('HSET', KEYS[1], 'state', state, 'streak', 0)
  local v = redis.call('HMGET', KEYS[1], 'allow', 'begun', 'sent', 'dead', 'unknown_identifiers', 'expired', 'cancelled')
  if v[1] then
    local ended = 0
    for i = 3, 7 do ended = ended + tonumber(v[i] or 0) end
    local asked_all = tonumber(v[2]) >= tonumber(v[1])
    if asked_all and (went_badly or ended >= tonumber(v[2])) then
      -- The job waits between two steps, or after a step that went badly: the caller lets the next step begin.
      begin_next_rollout_step(KEYS[1])
    elseif went_badly then
      -- The caller knows what went wrong: the rest of the step is judged by itself.
      redis.call('HSET', KEYS[1], 'step_begun', v[2], 'step_bad', gone_wrong(KEYS[1]))
    end
    redis.call('SADD', KEYS[5], ARGV[1])
  end
  if queued > 0 then redis.call('ZADD', KEYS[3], 'NX', 0, ARGV[1]) end
elseif ARGV[2] == 'cancel' and state ~= 'cancelled' and state ~= 'done' then
  state, moved = 'cancelled', 1
  redis.call('HDEL', KEYS[1], 'why', 'by', 'goes_on')
  redis.call('HSET', KEYS[1], 'state', state)
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('SREM', KEYS[5], ARGV[1])
  redis.call('SADD', KEYS[4], ARGV[1])
  end_job(KEYS[1], now_ms(), ARGV[4], {KEYS[1], KEYS[6], KEYS[7]})
  redis.call('HSET', KEYS[1], 'why', ARGV[3], 'by', ARGV[5])
end
tell_all(now_ms())
if moved == 1 then
  local result = redis.call('HGET', KEYS[1], 'state')
  note_change(KEYS[8], now_ms(), ARGV[2], 'job ' .. ARGV[1], ARGV[3], ARGV[5], '', '', {n = string.format('%.0f', left), result = result})
end
return {redis.call('HGET', KEYS[1], 'state'), moved, queued}
