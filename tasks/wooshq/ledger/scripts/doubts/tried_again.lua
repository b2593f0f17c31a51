-- tried_again.lua: intents that came into the ledger because an operator tried them again, although they may have been sent before. That is on
-- record as a doubt: see `wooshq doubles`.
-- uses clock
-- uses full
-- uses history
-- uses row
-- KEYS[1]   counts       hash; only for the first write
-- KEYS[2]   doubts       stream
-- KEYS[3…]  intent:<id>, one for each intent
-- ARGV      how long what is in doubt is kept ms, then for each intent: its id, the cause
-- returns   <how many were noted>
-- cost      O(intents); the caller bounds how many
-- moves     none
-- again     another answer, changes only doubts: of what has left the ledger nobody knows whether it was noted
-- memory    works in a full Redis: the first write is HDEL
free_first(KEYS[1])
local now, n = now_ms(), 0
for i = 3, #KEYS do
  local id, cause = ARGV[2 * (i - 2)], ARGV[2 * (i - 2) + 1]
  local row = fields_of(KEYS[i], 'state', 'causes')
  if not row[1] then
    redis.call('XADD', KEYS[2], 'MINID', '~', now - ARGV[1], '*', 'id', id, 'at', now, 'cause', cause)
    n = n + 1
  elseif not string.find('\n' .. (row[2] or '') .. '\n', '\n' .. cause .. '\n', 1, true) then
    spread(KEYS[i])
    doubt(KEYS[2], KEYS[i], id, now, ARGV[1], cause)
    n = n + 1
  end
end
return n
