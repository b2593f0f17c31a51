-- open.lua: a fan-out job begins.
-- uses clock
-- KEYS[1]   job:<job>      hash
-- KEYS[2]   jobs           zset
-- KEYS[3]   stepping       set
-- KEYS[4]   counts         hash
-- KEYS[5]   idem:<digest>  string (the job's own key again if it has no idempotency key)
-- KEYS[6]   job_expiry     zset
-- ARGV      job, digest of the template, how long an idempotency key is kept ms, ttl ms or '', expires_at ms or '',
--           roll-out steps (numbers of recipients, joined by ' ') or '', then pairs of fields for the row
-- returns   '' (new) | <id accepted earlier with the same template> | '!<id accepted earlier with another template>'
-- cost      O(log jobs)
-- moves     job → running (opened)
-- again     same answer, changes nothing: the id is the token
-- memory    refused by a full Redis: the first write is HSET
local now = now_ms()
if redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.call('HGET', KEYS[1], 'digest') == ARGV[2] and '' or '!' .. ARGV[1]
end
if KEYS[5] ~= KEYS[1] then
  local kept = redis.call('GET', KEYS[5])
  if kept then return (string.sub(kept, 38) == ARGV[2] and '' or '!') .. string.sub(kept, 1, 36) end
end
redis.call('HSET', KEYS[1], 'digest', ARGV[2], 'at', now, 'state', 'running', 'chunks', 0, 'chunks_done', 0, 'leased', 0, 'total', 0,
  'begun', 0, 'calls', 0, 'needed', 0, unpack(ARGV, 7))
if KEYS[5] ~= KEYS[1] then redis.call('SET', KEYS[5], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3]) end
local expires = ARGV[4] ~= '' and now + tonumber(ARGV[4]) or ARGV[5]
if expires ~= '' then
  redis.call('HSET', KEYS[1], 'expires', expires)
  redis.call('ZADD', KEYS[6], expires, ARGV[1])
end
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[1], 'steps', ARGV[6], 'step', 1, 'allow', string.match(ARGV[6], '^(%d+)'))
  redis.call('SADD', KEYS[3], ARGV[1])
end
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('HINCRBY', KEYS[4], 'bulk_jobs', 1)
return ''
