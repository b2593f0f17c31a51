-- trim.lua: removes letters whose retention is over from the list of letters.
-- KEYS[1]   letters          zset
-- KEYS[2…]  letter:<letter>  hash, one per letter
-- ARGV      one letter id each
-- returns   <how many were removed>
-- cost      O(letters × log letters); the caller bounds how many
-- moves     none
-- again     another answer, changes nothing
-- memory    works in a full Redis: the first write is ZREM
local n = 0
for i, id in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 1]) == 0 then n = n + redis.call('ZREM', KEYS[1], id) end
end
return n
