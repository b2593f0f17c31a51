-- aside.lua: what was set aside because the history's database refused it. What the history has by now, or whose row has gone, is no longer listed.
-- uses full
-- uses row
-- KEYS[1]   telling        hash
-- KEYS[2]   history_aside  hash
-- ARGV      none
-- derived   intent:<id>, letter:<letter>, job:<job>
-- returns   {{<kind and id>, <since when ms, and why>} *}
-- cost      O(rows that were set aside), at most 1,000
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
local prefix = string.match(KEYS[1], '^[^}]*}:')
local all, out = redis.call('HGETALL', KEYS[2]), {}
if #all == 0 then return out end
free_first(KEYS[1])
for i = 1, #all, 2 do
  local kind, id = string.match(all[i], '^(%S+) (%S+)$')
  local v = fields_of(prefix .. kind .. ':' .. id, 'state', 'told', 'changed', 'ended', 'filed')
  if not v[1] or v[2] == (v[3] or v[4] or v[5]) then
    redis.call('HDEL', KEYS[2], all[i])
  else
    out[#out + 1] = {all[i], all[i + 1]}
  end
end
redis.call('HSET', KEYS[1], 'aside', #out)
return out
