-- take.lua: a reader takes the next events of its group, and those that another one took and has not done in time: it may be lost.
-- uses full
-- uses events/trim
-- KEYS[1]   events   stream
-- KEYS[2]   telling  hash; only for the first write
-- ARGV      name of the reader, how many entries at most, after how long an entry is taken from another reader ms, the group
-- returns   {{<entry>, {<a kind, or its ids> *}} *} | 'off' (nobody listens: call listen.lua)
-- cost      O(entries); the caller bounds how many
-- moves     none
-- again     another answer, changes nothing: entries stay until they are done
-- memory    works in a full Redis: the first write is HDEL
if redis.call('EXISTS', KEYS[1]) == 0 or not groups_of(KEYS[1])[ARGV[4]] then return 'off' end
free_first(KEYS[2])
local out, most = {}, tonumber(ARGV[2])
local lost = redis.call('XAUTOCLAIM', KEYS[1], ARGV[4], ARGV[1], ARGV[3], '0-0', 'COUNT', most)
for _, entry in ipairs(lost[2]) do
  -- Redis 6.2 also gives those that have left.
  if entry and entry[2] then out[#out + 1] = entry end
end
if #out < most then
  local new = redis.call('XREADGROUP', 'GROUP', ARGV[4], ARGV[1], 'COUNT', most - #out, 'STREAMS', KEYS[1], '>')
  if new then
    for _, entry in ipairs(new[1][2]) do out[#out + 1] = entry end
  end
end
return out
