-- sweep.lua: ends a chunk that nobody holds, of a job that was cancelled or whose time is over. Recipients not yet sent to are skipped.
-- uses clock
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
-- ARGV      job, chunk, how long an ended job is kept ms, how long its chunks are kept ms
-- derived   events, telling
-- returns   <how many recipients were marked>
-- cost      O(size of the chunk)
-- moves     mark waiting | again → expired (expire), cancelled (cancel); chunk queued | retrying → done (ended);
--           job running | paused | stopped → done (ended)
-- again     another answer, changes nothing: the chunk is done
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local v = redis.call('HMGET', KEYS[7], 'state', 'lease')
local job = redis.call('HMGET', KEYS[1], 'state', 'expires')
local is_over = job[2] and tonumber(job[2]) <= now
if (job[1] ~= 'cancelled' and not is_over) or not v[1] or v[1] == 'done' or v[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[1] .. ' ' .. ARGV[2])
local deltas = {}
local n = set_marks(KEYS[8], 0, -1, job[1] == 'cancelled' and 'C' or 'E', '.r', deltas)
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('ZREM', KEYS[9], ARGV[1]) end
count_marks(KEYS[1], deltas)
end_chunk(KEYS[7], KEYS[8], KEYS[1], KEYS[4], ARGV[4])
end_job(KEYS[1], now, ARGV[3], {KEYS[1], KEYS[5], KEYS[6]})
tell_all(now)
return n
