-- move.lua: a caller starts, pauses, resumes or cancels a replay.
-- uses clock
-- uses history
-- uses events/ended
-- KEYS[1]   replay:<replay>           hash
-- KEYS[2]   replay:<replay>:outcomes  string
-- KEYS[3]   replaying                 zset
-- KEYS[4]   changes                   stream
-- KEYS[5…]  replay:<replay>:letters list, and the other parts of the replay
-- ARGV      replay, 'start' | 'pause' | 'resume' | 'cancel', why or '', by whom
-- derived   events, telling
-- returns   {'gone' | <the state that the replay is in now>, 1 (this call moved it) | 0}
-- cost      O(letters) for a cancel, O(log replays) otherwise
-- moves     replay planned → running (start), cancelled (cancel), running → paused (pause), paused | stopped → running (resume),
--           running | paused | stopped → cancelled (cancel); outcome waiting → cancelled (cancel)
-- again     another answer, changes nothing: the replay is there already
-- memory    works in a full Redis: the first write is HDEL
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'gone', 0} end
local moved, now = 0, now_ms()

-- Until its outcomes are judged again, so many letters may become intents.
local function allow_a_slice()
  local v = redis.call('HMGET', KEYS[1], 'first', 'gone')
  redis.call('HSET', KEYS[1], 'w_ended', 0, 'w_bad', 0)
  if v[1] and tonumber(v[1]) > 0 then redis.call('HSET', KEYS[1], 'allow', tonumber(v[2] or 0) + tonumber(v[1])) end
end

if ARGV[2] == 'start' and state == 'planned' then
  moved = 1
  redis.call('HDEL', KEYS[1], 'note')
  redis.call('HSET', KEYS[1], 'state', 'running', 'started', now, 'by', ARGV[4])
  allow_a_slice()
  for i = 1, #KEYS do
    if i ~= 3 and i ~= 4 then redis.call('PERSIST', KEYS[i]) end
  end
  redis.call('ZADD', KEYS[3], now, ARGV[1])
elseif ARGV[2] == 'pause' and state == 'running' then
  moved = 1
  redis.call('HDEL', KEYS[1], 'note')
  redis.call('HSET', KEYS[1], 'state', 'paused', 'note', ARGV[3])
elseif ARGV[2] == 'resume' and (state == 'paused' or state == 'stopped') then
  moved = 1
  redis.call('HDEL', KEYS[1], 'note')
  redis.call('HSET', KEYS[1], 'state', 'running')
  -- Whoever resumes knows what went wrong: what is sent from now on is judged by itself.
  if state == 'stopped' then allow_a_slice() end
elseif ARGV[2] == 'cancel' and state ~= 'cancelled' and state ~= 'done' then
  moved = 1
  redis.call('HDEL', KEYS[1], 'note')
  local outcomes, n = string.gsub(redis.call('GET', KEYS[2]) or '', '%.', 'C')
  if n > 0 then redis.call('SET', KEYS[2], outcomes, 'KEEPTTL') end
  redis.call('HINCRBY', KEYS[1], 'cancelled', n)
  redis.call('HSET', KEYS[1], 'state', 'cancelled', 'note', ARGV[3])
  if state == 'planned' then
    redis.call('HSET', KEYS[1], 'ended', now)
    tell('replay', ARGV[1])
  end
end
tell_all(now)
local v = redis.call('HMGET', KEYS[1], 'state', 'total', 'left_out', 'selection', 'why')
if moved == 1 then
  local why = ARGV[2] == 'start' and ARGV[3] == '' and v[5] or ARGV[3]
  note_change(KEYS[4], now, ARGV[2], 'replay ' .. ARGV[1], why, ARGV[4], '', '', {n = v[2] - v[3], selection = v[4], result = v[1]})
end
return {v[1], moved}
