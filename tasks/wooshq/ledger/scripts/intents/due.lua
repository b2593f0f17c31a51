-- due.lua: puts retries whose time has come back into their lanes.
-- uses clock
-- KEYS[1]   due                   zset
-- KEYS[2]   queued:transactional  zset
-- KEYS[3]   queued:bulk           zset
-- KEYS[4…]  intent:<id>           hash, one per intent
-- ARGV      one id per intent
-- returns   {<lane> | '' (not due any more) *}, one per intent
-- cost      O(intents × log queued); the caller bounds how many
-- moves     intent retrying → queued (due)
-- again     another answer, changes nothing: an intent that was moved is not due any more
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local out = {}
for i, id in ipairs(ARGV) do
  local row = KEYS[i + 3]
  local at = redis.call('ZSCORE', KEYS[1], id)
  local v = redis.call('HMGET', row, 'state', 'lane')
  out[i] = ''
  if at and tonumber(at) <= now then
    redis.call('ZREM', KEYS[1], id)
    if v[1] == 'retrying' then
      redis.call('HDEL', row, 'due', 'waits_for')
      redis.call('HSET', row, 'state', 'queued')
      redis.call('ZADD', v[2] == 'bulk' and KEYS[3] or KEYS[2], now, id)
      out[i] = v[2]
    end
  end
end
return out
