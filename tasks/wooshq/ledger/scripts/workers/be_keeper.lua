-- be_keeper.lua: one worker's keeper does the background duties, for as long as it keeps asking.
-- KEYS[1]   keeper  string
-- ARGV      the worker's token, how long it is the keeper ms
-- returns   1 (it is the keeper) | 0 (another one is)
-- cost      O(1)
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is DEL
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
