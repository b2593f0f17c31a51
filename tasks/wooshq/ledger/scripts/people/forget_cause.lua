-- forget_cause.lua: forgets a cause of letters whose text names a person, when none of its letters is open.
-- uses letters/causes
-- KEYS[1]   cause:<cause>          hash
-- KEYS[2]   cause:<cause>:letters  zset
-- ARGV      cause
-- derived   causes, cause:<cause>
-- returns   'done' (also if it is gone) | 'busy' (letters are open)
-- cost      O(log causes)
-- moves     none
-- again     same answer, changes nothing: it is gone
-- memory    works in a full Redis: the first write is ZREM
if redis.call('ZCARD', KEYS[2]) > 0 then return 'busy' end
forget_cause(string.match(KEYS[1], '^[^}]*}:'), ARGV[1])
return 'done'
