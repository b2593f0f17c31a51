-- forget_letter.lua: takes a person out of a letter, or removes the letter if it is about this person alone.
-- uses clock
-- uses full
-- uses letters/causes
-- KEYS[1]   letter:<letter>  hash
-- KEYS[2]   letters          zset
-- ARGV      letter, '1' (remove it) | '0' (change it), its state as it was read, then pairs of fields that change
-- derived   causes, cause:<cause>, intent:<letter>
-- returns   'done' (also if the letter is gone) | 'busy' (it has moved since then, or its replay is in progress)
-- cost      O(log letters + size of the letter)
-- moves     none
-- again     same answer, changes nothing: it writes the same
-- memory    works in a full Redis: the first write is DEL or HDEL
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'done' end
if state ~= ARGV[3] or state == 'replaying' then return 'busy' end
local prefix = string.match(KEYS[1], '^[^}]*}:')
local names = {'reason', 'detail', 'app', 'filed'}
local before = redis.call('HMGET', KEYS[1], unpack(names))
if ARGV[2] == '1' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
  count_closed(prefix, ARGV[1], before)
elseif #ARGV > 3 then
  free_first(KEYS[1])
  redis.call('HSET', KEYS[1], unpack(ARGV, 4))
  local after, ttl = redis.call('HMGET', KEYS[1], unpack(names)), redis.call('PTTL', KEYS[1])
  if state == 'open' and ttl > 0 and after[2] ~= before[2] then
    count_closed(prefix, ARGV[1], before)
    count_open(prefix, ARGV[1], after, after[4], ttl, now_ms())
  end
end
return 'done'
