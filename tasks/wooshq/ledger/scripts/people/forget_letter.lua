-- forget_letter.lua: takes a person out of a letter, or removes the letter if it is about this person alone.
-- uses full
-- KEYS[1]   letter:<letter>  hash
-- KEYS[2]   letters          zset
-- ARGV      letter, '1' (remove it) | '0' (change it), its state as it was read, then pairs of fields that change
-- returns   'done' (also if the letter is gone) | 'busy' (it has moved since then, or its replay is in progress)
-- cost      O(log letters + size of the letter)
-- moves     none
-- again     same answer, changes nothing: it writes the same
-- memory    works in a full Redis: the first write is DEL or HDEL
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'done' end
if state ~= ARGV[3] or state == 'replaying' then return 'busy' end
if ARGV[2] == '1' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
elseif #ARGV > 3 then
  free_first(KEYS[1])
  redis.call('HSET', KEYS[1], unpack(ARGV, 4))
end
return 'done'
