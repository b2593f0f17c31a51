-- release.lua: a gate has opened, or wants probes; some of what it held goes back to the lanes, the transactional first.
-- uses clock
-- KEYS[1]   held:<application>    zset
-- KEYS[2]   held_applications     set
-- KEYS[3]   queued:transactional  zset
-- KEYS[4]   queued:bulk           zset
-- KEYS[5…]  intent:<id>           hash, one an intent
-- ARGV      application, then one id an intent
-- returns   an array: the lane of each that was moved, '' else
-- cost      O(intents × log ledger); the caller bounds how many
-- moves     held → queued (opened)
-- again     moves nothing: what was moved is not held any more
local now = now_ms()
local out = {}
for i = 2, #ARGV do
  local id, row = ARGV[i], KEYS[3 + i]
  local v = redis.call('HMGET', row, 'state', 'lane')
  out[i - 1] = ''
  if redis.call('ZREM', KEYS[1], id) == 1 and v[1] == 'held' then
    redis.call('HDEL', row, 'gate')
    redis.call('HSET', row, 'state', 'queued')
    redis.call('ZADD', v[2] == 'bulk' and KEYS[4] or KEYS[3], now, id)
    out[i - 1] = v[2]
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
return out
