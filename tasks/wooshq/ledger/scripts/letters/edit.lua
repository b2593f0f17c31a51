-- edit.lua: sets what the replay of an open letter will send.
-- uses clock
-- uses letters
-- uses letters/gone
-- uses history
-- KEYS[1]   letter:<letter>  hash
-- KEYS[2]   changes          stream
-- ARGV      body, the edit that it was made from ('' for the intent's own body), model version, letter, why or '', by whom
-- derived   telling, letters_gone
-- returns   'edited' | 'taken <state>' | 'changed' (another edit came between) | 'gone'
-- cost      O(size of the body)
-- moves     none
-- again     same answer, changes nothing
-- memory    refused by a full Redis: the first write is HSET
local v = redis.call('HMGET', KEYS[1], 'state', 'edited')
local state = v[1] or state_of_gone(string.match(KEYS[1], '^[^}]*}:'), ARGV[4])
if not state then return 'gone' end
if state ~= 'open' then return 'taken ' .. state end
if v[2] == ARGV[1] then return 'edited' end
if (v[2] or '') ~= ARGV[2] then return 'changed' end
edit_letter(KEYS[1], ARGV[1], ARGV[3])
note_change(KEYS[2], now_ms(), 'edit', 'letter ' .. ARGV[4], ARGV[5], ARGV[6], '', '', {n = 1, result = 'edited'})
return 'edited'
