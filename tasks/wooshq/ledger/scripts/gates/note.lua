-- note.lua: an operator did something that no other script notes: an act for the audit log.
-- uses clock
-- uses full
-- uses history
-- KEYS[1]   changes  stream
-- KEYS[2]   telling  hash
-- ARGV      the verb, what it was done to, why, by whom, how many or '', the selection in words, the result
-- returns   1
-- cost      O(1)
-- moves     none
-- again     same answer, changes only changes and telling: it was done twice
-- memory    works in a full Redis: the first write is HDEL
free_first(KEYS[2])
note_change(KEYS[1], now_ms(), ARGV[1], ARGV[2], ARGV[3], ARGV[4], '', '', {n = ARGV[5], selection = ARGV[6], result = ARGV[7]})
return 1
