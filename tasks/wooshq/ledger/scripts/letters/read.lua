-- read.lua: letters as they are, and the intents that replays of them would send. One answer for many letters: a pipeline of commands takes several
--           times as long.
-- uses row
-- uses letters/gone
-- KEYS[1]   letters  zset
-- ARGV      '1' (with the intents) | '0', then letter ids
-- derived   letter:<letter>, intent:<id> (the one that died last), letters_gone
-- returns   <JSON: [['closed' | 'discarded'] for a letter that has left for the history | [id (false if it is not there), intent, reason, detail, filed, attempts, lane, application, bulk, replays, state, vain, held_by, code, body, its
--           version, 1 if it was edited, the last attempt of the intent that died last]…]; false for what is not there>
-- cost      O(letters + size of the intents); the caller bounds how many
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: it only reads
local prefix = string.sub(KEYS[1], 1, #KEYS[1] - 7)
local names = {'id', 'intent', 'reason', 'detail', 'filed', 'attempts', 'lane', 'app', 'bulk', 'replays', 'state', 'vain', 'held_by', 'code'}
local out = {}
for i = 2, #ARGV do
  local key = prefix .. 'letter:' .. ARGV[i]
  local v = redis.call('HMGET', key, unpack(names))
  if ARGV[1] == '1' and v[1] then
    local edited = redis.call('HMGET', key, 'edited', 'v')
    if edited[1] then
      v[15], v[16], v[17] = edited[1], edited[2], '1'
      local row = prefix .. 'intent:' .. v[2]
      v[18] = redis.call('HGET', row, 'a:' .. (redis.call('HGET', row, 'n') or ''))
    else
      local row = read_row(prefix .. 'intent:' .. v[2])
      v[15], v[16], v[17] = row.body or false, row.v or false, false
      v[18] = row['a:' .. (row.n or '')] or false
    end
  end
  local left = not v[1] and state_of_gone(prefix, ARGV[i])
  out[i - 1] = cjson.encode(left and {left} or v)
end
return '[' .. table.concat(out, ',') .. ']'
