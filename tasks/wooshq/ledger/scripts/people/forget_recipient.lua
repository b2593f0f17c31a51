-- forget_recipient.lua: takes a person out of a chunk of a job. A recipient who was not sent to yet counts as cancelled.
-- uses clock
-- uses full
-- uses marks
-- KEYS[1]   job:<job>            hash
-- KEYS[2]   job:<job>:queued     zset
-- KEYS[3]   chunk_due            zset
-- KEYS[4]   job:<job>:room       list
-- KEYS[5]   job:<job>:unknown    list
-- KEYS[6]   job:<job>:doubts     stream
-- KEYS[7]   chunk:<job>:<chunk>  hash
-- KEYS[8]   marks:<job>:<chunk>  string
-- KEYS[9]   turns                zset
-- ARGV      job, chunk, how long an ended job is kept ms, how long its chunks are kept ms, its recipients (packed) as they were read, its
--           recipients without the person, then the person's places
-- derived   events, telling
-- returns   'done' (also if its recipients are gone) | 'busy' (its recipients have changed since then, or a worker holds it)
-- cost      O(size of the chunk)
-- moves     mark waiting | again → cancelled (cancel); chunk queued | retrying → done (ended); job running | paused | stopped → done (ended)
-- again     same answer, changes nothing: its recipients are without the person already
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local v = redis.call('HMGET', KEYS[7], 'state', 'lease', 'data')
if not v[3] or v[3] == ARGV[6] then return 'done' end
if v[3] ~= ARGV[5] or v[2] then return 'busy' end
free_first(KEYS[7])
redis.call('HSET', KEYS[7], 'data', ARGV[6])
local deltas = {}
for i = 7, #ARGV do set_marks(KEYS[8], ARGV[i], ARGV[i], 'C', '.r', deltas) end
count_marks(KEYS[1], deltas)
if v[1] ~= 'done' and all_final(KEYS[8]) then
  redis.call('ZREM', KEYS[2], ARGV[2])
  redis.call('ZREM', KEYS[3], ARGV[1] .. ' ' .. ARGV[2])
  if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('ZREM', KEYS[9], ARGV[1]) end
  end_chunk(KEYS[7], KEYS[8], KEYS[1], KEYS[4], ARGV[4])
  end_job(KEYS[1], now, ARGV[3], {KEYS[1], KEYS[5], KEYS[6]})
  tell_all(now)
end
return 'done'
