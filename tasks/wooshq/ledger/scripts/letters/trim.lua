-- trim.lua: removes letters whose retention is over from the list of letters, also those that have left for the history.
-- uses letters/gone
-- KEYS[1]   letters          zset
-- KEYS[2…]  letter:<letter>  hash, one per letter
-- ARGV      one letter id each
-- derived   letters_gone
-- returns   <how many were removed>
-- cost      O(letters × log letters); the caller bounds how many
-- moves     none
-- again     another answer, changes nothing
-- memory    works in a full Redis: the first write is ZREM
local n, prefix = 0, string.match(KEYS[1], '^[^}]*}:')
for i, id in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 1]) == 0 and not state_of_gone(prefix, id) then
    n = n + redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', prefix .. 'letters_gone', id)
  end
end
return n
