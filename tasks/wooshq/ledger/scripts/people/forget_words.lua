-- forget_words.lua: writes what an operator said of a replay, a job, a cause, a limit or a pause without a person.
-- KEYS[1]   replay:<replay> | job:<job> | cause:<cause> | limits | gates  hash
-- ARGV      field, its text as the caller has read it, its text without the person
-- returns   'done' (also if it is gone) | 'busy' (it was changed meanwhile)
-- cost      O(1)
-- moves     none
-- again     same answer, changes nothing: it is as it was written
-- memory    refused by a full Redis: the first write is HSET
local now = redis.call('HGET', KEYS[1], ARGV[1])
if not now or now == ARGV[3] then return 'done' end
if now ~= ARGV[2] then return 'busy' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'done'
