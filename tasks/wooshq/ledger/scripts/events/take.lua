-- take.lua: a consumer takes the next events, and those that another one took and has not forgotten in time: it may be lost.
-- uses full
-- KEYS[1]   events   stream
-- KEYS[2]   telling  hash; only for the first write
-- ARGV      name of the consumer, how many entries at most, after how long an entry is taken from another consumer ms
-- returns   {{<entry>, {<a kind, or its ids> *}} *} | 'off' (nobody listens: call listen.lua)
-- cost      O(entries); the caller bounds how many
-- moves     none
-- again     another answer, changes nothing: entries stay until they are forgotten
-- memory    works in a full Redis: the first write is HDEL
if redis.call('EXISTS', KEYS[1]) == 0 then return 'off' end
free_first(KEYS[2])
local out, most = {}, tonumber(ARGV[2])
local lost = redis.call('XAUTOCLAIM', KEYS[1], 'history', ARGV[1], ARGV[3], '0-0', 'COUNT', most)
for _, entry in ipairs(lost[2]) do
  -- Redis 6.2 also gives those that were forgotten.
  if entry and entry[2] then out[#out + 1] = entry end
end
if #out < most then
  local new = redis.call('XREADGROUP', 'GROUP', 'history', ARGV[1], 'COUNT', most - #out, 'STREAMS', KEYS[1], '>')
  if new then
    for _, entry in ipairs(new[1][2]) do out[#out + 1] = entry end
  end
end
return out
