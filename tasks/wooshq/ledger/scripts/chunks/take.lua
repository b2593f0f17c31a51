-- take.lua: one worker takes a chunk for as long as a lease; the job's next turn is after the other jobs'.
-- uses clock
-- KEYS[1]   job:<job>            hash
-- KEYS[2]   job:<job>:queued     zset
-- KEYS[3]   turns                zset
-- KEYS[4]   chunk_leases         zset
-- KEYS[5]   chunk:<job>:<chunk>  hash
-- KEYS[6]   marks:<job>:<chunk>  string
-- ARGV      job, chunk, token, length of the lease ms
-- returns   {now ms, packed recipients, marks, losses, rounds, log or '', accepted calls of the job so far} | the reason why not:
--           'state' (the job does not run) | 'taken' | 'unproved' (its first calls are under way elsewhere)
-- cost      O(log chunks + size)
-- moves     none
-- again     a chunk that carries the token is answered as on the first run
local now = now_ms()
local v = redis.call('HMGET', KEYS[5], 'lease', 'data', 'losses', 'rounds', 'log')
local job = redis.call('HMGET', KEYS[1], 'state', 'leased', 'proved')
if v[1] ~= ARGV[3] then
  if job[1] ~= 'running' then
    redis.call('ZREM', KEYS[3], ARGV[1])
    return 'state'
  end
  -- Until a call was accepted, one chunk at a time: a template that the API refuses must not be tried in a hundred places at once.
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
return {now, v[2], redis.call('GET', KEYS[6]), v[3] or '', v[4] or '0', v[5] or '', job[3] or '0'}
