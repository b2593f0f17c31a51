-- discard.lua: an operator says that an open letter does not have to be sent.
-- uses full
-- uses letters
-- KEYS[1]   letter:<letter>  hash
-- ARGV      why, or ''
-- returns   'discarded' | 'taken <state>' | 'gone'
-- cost      O(1)
-- moves     letter open → discarded (discard)
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'gone' end
if state == 'discarded' then return 'discarded' end
if state ~= 'open' then return 'taken ' .. state end
free_first(KEYS[1])
discard_letter(KEYS[1], ARGV[1])
return 'discarded'
