-- read.lua: rows of intents as they are, whichever form they have; see row.lua.
-- uses clock
-- uses row
-- KEYS[1]   gates  hash
-- KEYS[2…]  intent:<id>, one per intent
-- ARGV      none
-- returns   {<now, ms>, {<field or value of the gates> *}, {<field or value; the whole row, if it is one text> *} *}; a row that is not there is
--           empty
-- cost      O(gates + size of the rows); the caller bounds how many
-- moves     none
-- again     same answer but the time, changes nothing
-- memory    works in a full Redis: it only reads
local out = {now_ms(), redis.call('HGETALL', KEYS[1])}
for i = 2, #KEYS do
  local text = packed(KEYS[i])
  out[i + 1] = text and {text} or redis.call('HGETALL', KEYS[i])
end
return out
