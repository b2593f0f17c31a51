-- discard.lua: an operator says that open letters do not have to be sent.
-- uses clock
-- uses full
-- uses letters
-- uses letters/gone
-- uses history
-- KEYS[1]   changes          stream
-- KEYS[2…]  letter:<letter>  hash, one per letter
-- ARGV      why, or '', by whom, the selection in words
-- derived   events, telling, causes, cause:<cause>, letters_gone
-- returns   {'discarded' | 'taken <state>' | 'gone' *}, one per letter
-- cost      O(letters); the caller bounds how many
-- moves     letter open → discarded (discard)
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
local out, n, now = {}, 0, now_ms()
local prefix = string.match(KEYS[1], '^[^}]*}:')
for i = 2, #KEYS do
  local state = redis.call('HGET', KEYS[i], 'state') or state_of_gone(prefix, string.match(KEYS[i], 'letter:(.*)$'))
  if state == 'open' then
    free_first(KEYS[i])
    discard_letter(KEYS[i], prefix, string.match(KEYS[i], 'letter:(.*)$'), ARGV[1], now)
    n, state = n + 1, 'discarded'
  end
  out[i - 1] = not state and 'gone' or state == 'discarded' and state or 'taken ' .. state
end
tell_all(now)
if n > 0 then note_change(KEYS[1], now, 'discard', 'letters', ARGV[1], ARGV[2], '', '', {n = n, selection = ARGV[3], result = 'discarded'}) end
return out
