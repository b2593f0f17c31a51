-- learned.lua: the ceilings that are learned from answers 429, as they are now.
-- uses learned_rate
-- KEYS[1]   limited             set
-- KEYS[2…]  pace:<application>  hash, one per application
-- ARGV      the applications
-- returns   {{<calls/s> | '' (none), <when the last 429 came, ms, or ''>} *}, one per application
-- cost      O(applications)
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is SREM
local out = {}
for i, app in ipairs(ARGV) do
  local v = redis.call('HMGET', KEYS[i + 1], 'limit', 'base', 'stop', 'used', 'shut_at')
  if v[1] then
    out[i] = {string.format('%.3f', learned_rate(tonumber(v[1]), tonumber(v[2] or v[1]), v[3], v[4])), v[5] or ''}
  else
    redis.call('SREM', KEYS[1], app)
    out[i] = {'', ''}
  end
end
return out
