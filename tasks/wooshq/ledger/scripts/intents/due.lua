-- due.lua: puts retries whose time has come back into their lanes.
-- uses clock
-- uses queue
-- uses row
-- KEYS[1]   due          zset
-- KEYS[2…]  intent:<id>, one per intent
-- ARGV      from how many lost workers on an intent is a suspect, then one id per intent
-- derived   queue:<lane>, ring:<lane>, suspects:<lane>
-- returns   {<id> *}, those that are queued now
-- cost      O(intents × log queue); the caller bounds how many
-- moves     intent retrying → queued (due)
-- again     another answer, changes nothing: an intent that was moved is not due any more
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local out = {}
for i = 2, #ARGV do
  local id, row = ARGV[i], KEYS[i]
  local at = redis.call('ZSCORE', KEYS[1], id)
  local v = fields_of(row, 'state', 'lane', 'app', 'at', 'doubts', 'lost')
  if at and tonumber(at) <= now then
    redis.call('ZREM', KEYS[1], id)
    if v[1] == 'retrying' then
      redis.call('HDEL', row, 'due', 'waits_for')
      redis.call('HSET', row, 'state', 'queued', 'queued_at', now)
      enqueue(row, id, {lane = v[2], app = v[3], at = v[4], doubts = v[5], lost = v[6]}, ARGV[1], now)
      out[#out + 1] = id
    end
  end
end
return out
