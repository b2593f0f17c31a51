-- take_over.lua: a chunk's lease has ended, so its worker is lost. Recipients that it was sending to are in doubt; the chunk goes back.
-- uses clock
-- uses marks
-- KEYS[1]   chunk:<job>:<chunk>  hash
-- KEYS[2]   marks:<job>:<chunk>  string
-- KEYS[3]   job:<job>            hash
-- KEYS[4]   chunk_leases         zset
-- KEYS[5]   job:<job>:queued     zset
-- KEYS[6]   turns                zset
-- KEYS[7]   counts               hash
-- KEYS[8]   job:<job>:doubts     stream
-- KEYS[9]   job:<job>:unknown    list
-- KEYS[10]  job:<job>:room       list
-- KEYS[11]  doubts               stream
-- ARGV[1]   JSON: {job, chunk, token, revoked (the token is the keeper's own, and the letters of the dead are filed), seen (the marks as
--           they were read), losses (the field as it is now), dead (recipients that will not be sent to again: 'a-b a-b'), dead_n, cause,
--           who, n, keep_ms, dead_ms}
-- derived   events, telling
-- returns   'moved' | 'held' (the lease was renewed, or the marks have changed) | 'done' (every recipient in the chunk has ended)
-- cost      O(size of the chunk)
-- moves     mark sending → again (lease_ended), dead (given_up); chunk sending → queued (lease_ended), done (ended);
--           job running | paused | stopped → done (ended)
-- again     another answer, changes nothing: the lease is gone
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local r = cjson.decode(ARGV[1])
local member = r.job .. ' ' .. r.chunk
local ends = redis.call('ZSCORE', KEYS[4], member)
if not ends or (not r.revoked and tonumber(ends) > now) then return 'held' end
local lease = redis.call('HGET', KEYS[1], 'lease')
if lease and (lease ~= r.token or redis.call('GET', KEYS[2]) ~= r.seen) then return 'held' end
redis.call('ZREM', KEYS[4], member)
if not lease then return 'done' end
redis.call('HDEL', KEYS[1], 'lease', 'step', 'answer')
redis.call('HSET', KEYS[1], 'losses', r.losses)
redis.call('HINCRBY', KEYS[3], 'leased', -1)
if r.n > 0 then
  local deltas = {}
  for a, b in string.gmatch(r.dead, '(%d+)-(%d+)') do set_marks(KEYS[2], tonumber(a), tonumber(b), 'D', 's', deltas) end
  set_marks(KEYS[2], 0, -1, 'r', 's', deltas)
  count_marks(KEYS[3], deltas)
  redis.call('XADD', KEYS[8], '*', 'at', now, 'cause', r.cause, 'who', r.who)
  redis.call('XADD', KEYS[11], 'MINID', '~', now - r.dead_ms, '*', 'bulk', r.job, 'at', now, 'cause', r.cause, 'n', r.n)
  redis.call('HINCRBY', KEYS[3], 'unknown', r.n)
  redis.call('HINCRBY', KEYS[3], 'workers_lost', 1)
  redis.call('HINCRBY', KEYS[7], 'unknown', r.n)
  if r.dead_n > 0 then redis.call('HINCRBY', KEYS[3], 'dead_in_doubt', r.dead_n) end
end
if all_final(KEYS[2]) then
  end_chunk(KEYS[1], KEYS[2], KEYS[3], KEYS[10], r.dead_ms)
  end_job(KEYS[3], now, r.keep_ms, {KEYS[3], KEYS[8], KEYS[9]})
  tell_all(now)
  return 'done'
end
redis.call('HSET', KEYS[1], 'state', 'queued')
redis.call('ZADD', KEYS[5], queue_place(r.chunk, redis.call('HGET', KEYS[1], 'behind')), r.chunk)
if redis.call('HGET', KEYS[3], 'state') == 'running' then redis.call('ZADD', KEYS[6], 'NX', 0, r.job) end
return 'moved'
