-- discard.lua: a person says that a letter need not be sent.
-- uses letters
-- KEYS[1]   letter:<letter>  hash
-- ARGV      why, or ''
-- returns   'discarded' | 'taken <state>' | 'gone'
-- cost      O(1)
-- moves     none
-- again     a letter that is discarded is answered 'discarded'
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'gone' end
if state == 'discarded' then return 'discarded' end
if state ~= 'open' then return 'taken ' .. state end
discard_letter(KEYS[1], ARGV[1])
return 'discarded'
