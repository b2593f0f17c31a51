-- open.lua: a person opens gates. What was counted towards them is forgotten.
-- uses clock
-- uses history
-- uses events/ended
-- KEYS[1]   gates     hash
-- KEYS[2]   failures  hash
-- KEYS[3]   changes   stream
-- ARGV      why, by whom, then two per gate: gate, whose (as in shut.lua)
-- derived   events, telling
-- returns   {1 (opened) | 0 (it was open) *}, one per gate
-- cost      O(gates)
-- moves     none
-- again     another answer, changes nothing: a gate that was opened is open
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local out = {}
for i = 3, #ARGV, 2 do
  local field = ARGV[i] .. '|' .. ARGV[i + 1]
  local opened = redis.call('HDEL', KEYS[1], field)
  if opened == 1 then
    redis.call('HDEL', KEYS[2], ARGV[i + 1], 'people|' .. ARGV[i + 1], 'answers|' .. ARGV[i + 1])
    tell_gate('opened', ARGV[i], ARGV[i + 1], true, 0)
    note_change(KEYS[3], now, 'opened', field, ARGV[1], ARGV[2], '', '', {result = 'open'})
  end
  out[#out + 1] = opened
end
tell_all(now)
return out
