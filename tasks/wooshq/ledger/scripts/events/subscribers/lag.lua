-- lag.lua: how far behind is what passes on events? And the counts of all deliveries.
-- uses clock
-- uses events/trim
-- KEYS[1]   events         stream
-- KEYS[2]   telling        hash
-- KEYS[3]   outward_state  hash
-- ARGV      none
-- returns   {<age of the oldest end that was not passed on, ms>, <ends that were missed>, <delivered>, <failed>, <dropped>}
-- cost      O(log entries)
-- moves     none
-- again     same answer but the time, changes nothing
-- memory    works in a full Redis: it only reads
local age = 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  local first = groups_of(KEYS[1])['outward']
  local entry = first and redis.call('XRANGE', KEYS[1], first, '+', 'COUNT', 1)[1]
  if entry then age = math.max(0, now_ms() - tonumber(string.match(entry[1], '^%d+'))) end
end
local v = redis.call('HMGET', KEYS[3], 'delivered', 'failed', 'dropped')
return {age, tonumber(redis.call('HGET', KEYS[2], 'missed|outward') or 0), tonumber(v[1] or 0), tonumber(v[2] or 0), tonumber(v[3] or 0)}
