-- take.lua: one worker takes a chunk for the length of a lease. The job's next turn comes after the turns of the other jobs.
-- uses clock
-- KEYS[1]   job:<job>            hash
-- KEYS[2]   job:<job>:queued     zset
-- KEYS[3]   turns                zset
-- KEYS[4]   chunk_leases         zset
-- KEYS[5]   chunk:<job>:<chunk>  hash
-- KEYS[6]   marks:<job>:<chunk>  string
-- ARGV      job, chunk, token, length of the lease ms
-- returns   {<now, ms>, <packed recipients>, <marks>, <losses or ''>, <rounds>, <log or ''>, <'0' until a call of the job was accepted>,
--            <calls without an answer, by place, or ''>, <recipients that must wait: 'until, ms a-b,a-b' or ''>,
--            <how long its recipients are retried already, ms>} |
--           'state' (the job does not run) | 'taken' | 'unproved' (another worker makes the job's first calls)
-- cost      O(log chunks + size)
-- moves     chunk queued → sending (taken)
-- again     same answer but the time, changes nothing: the token is in the chunk
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local v = redis.call('HMGET', KEYS[5], 'lease', 'data', 'losses', 'rounds', 'log', 'doubted', 'later', 'age_ms')
local job = redis.call('HMGET', KEYS[1], 'state', 'leased', 'proved')
if v[1] ~= ARGV[3] then
  if job[1] ~= 'running' then
    redis.call('ZREM', KEYS[3], ARGV[1])
    return 'state'
  end
  -- One chunk at a time until a call was accepted: workers must not try a template that the API refuses in many places at once.
  if not job[3] and tonumber(job[2]) > 0 then return 'unproved' end
  if redis.call('ZREM', KEYS[2], ARGV[2]) == 0 then return 'taken' end
  redis.call('HSET', KEYS[5], 'lease', ARGV[3], 'state', 'sending')
  redis.call('HINCRBY', KEYS[1], 'leased', 1)
  redis.call('ZADD', KEYS[4], now + tonumber(ARGV[4]), ARGV[1] .. ' ' .. ARGV[2])
  if redis.call('EXISTS', KEYS[2]) == 0 then
    redis.call('ZREM', KEYS[3], ARGV[1])
  else
    redis.call('ZADD', KEYS[3], 'XX', now, ARGV[1])
  end
end
return {now, v[2], redis.call('GET', KEYS[6]), v[3] or '', v[4] or '0', v[5] or '', job[3] or '0', v[6] or '', v[7] or '', v[8] or '0'}
