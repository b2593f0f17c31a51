-- release.lua: puts some of the intents that a gate held back into their lanes: it has opened, or wants probes.
-- uses clock
-- KEYS[1]   held:<application>    zset
-- KEYS[2]   held_applications     set
-- KEYS[3]   queued:transactional  zset
-- KEYS[4]   queued:bulk           zset
-- KEYS[5…]  intent:<id>           hash, one per intent
-- ARGV      application, then one id per intent
-- returns   {<lane> | '' (not held any more) *}, one per intent
-- cost      O(intents × log ledger); the caller bounds how many
-- moves     intent held → queued (opened)
-- again     another answer, changes nothing: an intent that was moved is not held any more
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local out = {}
for i = 2, #ARGV do
  local id, row = ARGV[i], KEYS[3 + i]
  local v = redis.call('HMGET', row, 'state', 'lane', 'held_at')
  out[i - 1] = ''
  if redis.call('ZREM', KEYS[1], id) == 1 and v[1] == 'held' then
    redis.call('HDEL', row, 'gate', 'held_at')
    if v[3] then redis.call('HINCRBY', row, 'waited_ms', math.max(0, now - tonumber(v[3]))) end
    redis.call('HSET', row, 'state', 'queued')
    redis.call('ZADD', v[2] == 'bulk' and KEYS[4] or KEYS[3], now, id)
    out[i - 1] = v[2]
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
return out
