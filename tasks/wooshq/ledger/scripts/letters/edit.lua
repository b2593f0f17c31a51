-- edit.lua: what an open letter's replay will send instead.
-- uses letters
-- KEYS[1]   letter:<letter>  hash
-- ARGV      body, the body it was made from (its edited body, or '' for the intent's own), model version
-- returns   'edited' | 'taken <state>' | 'gone' | 'changed' (someone else edited it meanwhile)
-- cost      O(size of the body)
-- moves     none
-- again     a letter that has this body already is answered 'edited'
local v = redis.call('HMGET', KEYS[1], 'state', 'edited')
if not v[1] then return 'gone' end
if v[1] ~= 'open' then return 'taken ' .. v[1] end
if v[2] == ARGV[1] then return 'edited' end
if (v[2] or '') ~= ARGV[2] then return 'changed' end
edit_letter(KEYS[1], ARGV[1], ARGV[3])
return 'edited'
