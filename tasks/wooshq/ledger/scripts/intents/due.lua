-- due.lua: the time of these retries has come; they go back to their lanes.
-- uses clock
-- KEYS[1]   due                   zset
-- KEYS[2]   queued:transactional  zset
-- KEYS[3]   queued:bulk           zset
-- KEYS[4…]  intent:<id>           hash, one an intent
-- ARGV      one id an intent
-- returns   an array: the lane of each that was moved, '' for one that was not due any more
-- cost      O(intents × log queued); the caller bounds how many
-- moves     retrying → queued (due)
-- again     moves nothing: what was moved is not due any more
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
      redis.call('HDEL', row, 'due')
      redis.call('HSET', row, 'state', 'queued')
      redis.call('ZADD', v[2] == 'bulk' and KEYS[3] or KEYS[2], now, id)
      out[i] = v[2]
    end
  end
end
return out
