-- due.lua: puts a chunk whose time has come back into its job's queue.
-- uses clock
-- uses marks
-- KEYS[1]   chunk_due            zset
-- KEYS[2]   chunk:<job>:<chunk>  hash
-- KEYS[3]   job:<job>            hash
-- KEYS[4]   job:<job>:queued     zset
-- KEYS[5]   turns                zset
-- ARGV      job, chunk
-- returns   1 (queued) | 0 (it was not due any more)
-- cost      O(log chunks)
-- moves     chunk retrying → queued (due)
-- again     another answer, changes nothing: the chunk is not due any more
-- memory    works in a full Redis: the first write is ZREM
local member = ARGV[1] .. ' ' .. ARGV[2]
local at = redis.call('ZSCORE', KEYS[1], member)
if not at or tonumber(at) > now_ms() then return 0 end
redis.call('ZREM', KEYS[1], member)
if redis.call('HGET', KEYS[2], 'state') ~= 'retrying' then return 0 end
redis.call('HSET', KEYS[2], 'state', 'queued')
redis.call('ZADD', KEYS[4], queue_place(ARGV[2], redis.call('HGET', KEYS[2], 'behind')), ARGV[2])
if redis.call('HGET', KEYS[3], 'state') == 'running' then redis.call('ZADD', KEYS[5], 'NX', 0, ARGV[1]) end
return 1
