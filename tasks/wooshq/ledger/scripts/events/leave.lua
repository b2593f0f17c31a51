-- leave.lua: a reader takes no more events. If it worked alone, another one need not wait until it is lost.
-- KEYS[1]   telling  hash
-- ARGV      the group, name of the reader
-- returns   1 (it worked alone) | 0
-- cost      O(1)
-- moves     none
-- again     another answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
local lead = redis.call('HGET', KEYS[1], 'lead|' .. ARGV[1])
if not lead or string.match(lead, '^(%S+)') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'lead|' .. ARGV[1])
return 1
