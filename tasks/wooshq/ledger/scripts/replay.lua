-- replay.lua: one dead letter becomes a new intent; of two who try at once, one does.
-- uses clock
-- KEYS[1]   letter:<letter>       hash
-- KEYS[2]   intent:<new id>       hash
-- KEYS[3]   intent:<dead id>      hash
-- KEYS[4]   queued:transactional  zset
-- KEYS[5]   queued:bulk           zset
-- KEYS[6]   expiry                zset
-- KEYS[7]   counts                hash
-- ARGV      letter, new id, dead intent's id, body, lane, application, expires_at ms or '', model version
-- returns   'replayed' | 'taken <state>' | 'gone'
-- cost      O(log queued)
-- moves     → queued
-- again     the new id is the token: a letter that is being replayed by it is answered 'replayed'
local now = now_ms()
local v = redis.call('HMGET', KEYS[1], 'state', 'replay', 'intent')
if not v[1] then return 'gone' end
if v[2] == ARGV[2] or redis.call('EXISTS', KEYS[2]) == 1 then return 'replayed' end
if v[1] ~= 'open' then return 'taken ' .. v[1] end
if v[3] ~= ARGV[3] then return 'taken reopened' end
redis.call('HSET', KEYS[2], 'body', ARGV[4], 'digest', '', 'state', 'queued', 'lane', ARGV[5], 'app', ARGV[6], 'at', now, 'v', ARGV[8],
  'replay_of', ARGV[3], 'letter', ARGV[1])
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[2], 'expires', ARGV[7])
  redis.call('ZADD', KEYS[6], ARGV[7], ARGV[2])
end
redis.call('ZADD', ARGV[5] == 'bulk' and KEYS[5] or KEYS[4], now, ARGV[2])
local replays = redis.call('HGET', KEYS[1], 'replays')
redis.call('HSET', KEYS[1], 'state', 'replaying', 'replay', ARGV[2], 'replays', (replays and replays .. ' ' or '') .. ARGV[2])
redis.call('HDEL', KEYS[1], 'note')
redis.call('PERSIST', KEYS[1])
if redis.call('EXISTS', KEYS[3]) == 1 then
  local earlier = redis.call('HGET', KEYS[3], 'replays')
  redis.call('HSET', KEYS[3], 'replays', (earlier and earlier .. ' ' or '') .. ARGV[2])
end
redis.call('HINCRBY', KEYS[7], 'replayed', 1)
return 'replayed'
