-- trim.lua: letters whose retention is over leave the list of letters.
-- KEYS[1]   letters          zset
-- KEYS[2…]  letter:<letter>  hash, one a letter
-- ARGV      one letter id each
-- returns   how many left
-- cost      O(letters × log letters); the caller bounds how many
-- moves     none
-- again     finds nothing more to do
local n = 0
for i, id in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 1]) == 0 then n = n + redis.call('ZREM', KEYS[1], id) end
end
return n
