-- feed.lua: adds one more chunk of recipients to a job.
-- KEYS[1]   job:<job>            hash
-- KEYS[2]   chunk:<job>:<chunk>  hash
-- KEYS[3]   marks:<job>:<chunk>  string
-- KEYS[4]   job:<job>:queued     zset
-- KEYS[5]   turns                zset
-- ARGV      job, number of the chunk, how many recipients, how many calls they need, digest of the chunk, its recipients (packed)
-- returns   {'fed' | 'same' (it was added before) | 'differs' (another chunk has this number) | 'gap' (the chunk before it is missing) |
--            'full' (the job has all its recipients) | 'cancelled' | 'gone', <chunks that are open>}
-- cost      O(log chunks + size)
-- moves     chunk → queued (fed); mark → waiting (fed)
-- again     another answer, changes nothing: the number and the digest are the token
-- memory    refused by a full Redis: the first write is HSET
local v = redis.call('HMGET', KEYS[1], 'state', 'chunks', 'chunks_done', 'fed')
if not v[1] then return {'gone', 0} end
local open = tonumber(v[2]) - tonumber(v[3])
local n = tonumber(ARGV[2])
if n < tonumber(v[2]) then
  return {redis.call('HGET', KEYS[2], 'digest') == ARGV[5] and 'same' or 'differs', open}
end
if v[1] == 'cancelled' then return {'cancelled', open} end
if v[1] == 'done' or v[4] then return {'full', open} end
if n > tonumber(v[2]) then return {'gap', open} end
redis.call('HSET', KEYS[2], 'data', ARGV[6], 'digest', ARGV[5], 'size', ARGV[3], 'state', 'queued')
redis.call('SET', KEYS[3], string.rep('.', tonumber(ARGV[3])))
redis.call('ZADD', KEYS[4], n, n)
redis.call('HINCRBY', KEYS[1], 'chunks', 1)
redis.call('HINCRBY', KEYS[1], 'total', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'needed', ARGV[4])
if v[1] == 'running' then redis.call('ZADD', KEYS[5], 'NX', 0, ARGV[1]) end
return {'fed', open + 1}
